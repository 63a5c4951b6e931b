"""Print which of our files the calls of a chat enter: a plain one, and one that is streamed.

Usage: ``python -m tools.trace_call``. Each runs in a process of its own, with the openai client instrumented, against the
loopback server. What is entered once, at the first call, is not on a call's way: calls are made before the one that is traced.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "otel_llm"
KINDS = ("plain", "streamed")
_BEFORE = 3  # calls: libraries build types and connections at their first ones
_MESSAGES = [{"role": "user", "content": "Hello"}]


def _chat(client: Any, kind: str) -> None:
    stream = kind == "streamed"
    options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answer = client.chat.completions.create(model="gpt-4.1", messages=_MESSAGES, **options)
    if stream:
        for _ in answer:
            pass


def _entered(kind: str) -> dict[str, dict[str, int]]:
    """The functions that the thread of one call enters: file of the package -> function -> how often."""
    import openai  # noqa: PLC0415 - only the process that traces has it

    import otel_llm  # noqa: PLC0415 - likewise
    from otel_llm.calls import invocation  # noqa: PLC0415 - likewise
    from otel_llm.testing.loopback import Loopback  # noqa: PLC0415 - likewise

    seen: dict[str, Counter[str]] = {}

    def profile(frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(f"{HOME}{os.sep}"):
            seen.setdefault(Path(file).relative_to(HOME).as_posix(), Counter())[frame.f_code.co_name] += 1

    invocation.REPLY_SECONDS = (
        3600.0  # the headers of the first reply are read, and no others, however slow the machine is
    )
    otel_llm.instrument("openai")
    with Loopback(keep=1) as server, openai.OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        for _ in range(_BEFORE):
            _chat(client, kind)
        gc.disable()  # a collection that happens to come would enter files of ours
        sys.setprofile(profile)
        try:
            _chat(client, kind)
        finally:
            sys.setprofile(None)
    return {file: dict(functions) for file, functions in seen.items()}


def trace(kind: str) -> dict[str, dict[str, int]]:
    """What one call of ``kind`` enters, measured in a new process."""
    with tempfile.TemporaryDirectory() as state:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        done = subprocess.run(
            [sys.executable, "-m", "tools.trace_call", kind],
            env={**environ, "OTEL_EXPORTER_PROMETHEUS_PORT": "0", "OTEL_LLM_STATE_DIR": state},
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
    entered: dict[str, dict[str, int]] = json.loads(done.stdout.splitlines()[-1])
    return entered


def main() -> None:
    """Trace both kinds, or as a child process the one that is named."""
    if len(sys.argv) > 1:
        print(json.dumps(_entered(sys.argv[1])))
        return
    for kind in KINDS:
        entered = trace(kind)
        print(f"{kind}: {len(entered)} files")
        for file, functions in entered.items():
            names = ", ".join(name if count == 1 else f"{name} x{count}" for name, count in functions.items())
            print(f"  {file}: {names}")


if __name__ == "__main__":
    main()
