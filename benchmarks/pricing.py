"""What pricing costs the host: time per call, time and memory to load, and what the process that compiles newer prices takes.

``python benchmarks/pricing.py [--quick]`` prints JSON. Times per call are processor time, the best of many rounds; memory is that of fresh
processes, with what every Python service has imported anyway already in.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import timeit
from itertools import count
from pathlib import Path

from otel_llm.calls.totals import RequestTotals
from otel_llm.core.config import Config
from otel_llm.core.model import Observation, Usage
from otel_llm.middleware import ASGIMiddleware
from otel_llm.pricing import update
from otel_llm.pricing.pricer import Pricer

AT = 1_795_262_400.0  # 2026-11-21 12:00 UTC
CACHED = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=400, cache_write_tokens=100)
PLAIN = Usage(input_tokens=1000, output_tokens=500)
AUDIO = Usage(input_tokens=1000, output_tokens=500, input_audio_tokens=600)
REPORTED = Usage(input_tokens=1000, output_tokens=500, cost_usd=0.01)
ARN = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0"
CALLS = {
    "plain": ("openai", "gpt-4.1", PLAIN),
    "cached": ("anthropic", "claude-opus-5", CACHED),
    "by context length": ("anthropic", "claude-sonnet-4-5-20250929", CACHED),
    "audio": ("gcp.gemini", "gemini-2.5-flash", AUDIO),
    "by resource name": ("aws.bedrock", ARN, CACHED),
    "provider-reported": ("openrouter", "openai/gpt-4o", REPORTED),
    "unpriced": ("ollama", "llama3.1", PLAIN),
}  # fmt: skip
HOST = """
import json, logging, subprocess, sys, tempfile, threading, time
from otel_llm.core.config import Config
from otel_llm.core.model import Usage
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before = resident()
start = time.process_time()
from otel_llm.pricing.pricer import Pricer
pricer = Pricer(Config())
pricer.load()
loaded = time.process_time() - start
for provider, model in (("openai", "gpt-4o"), ("anthropic", "claude-opus-5"), ("gcp.gemini", "gemini-2.5-flash")):
    pricer.price(provider=provider, request_model=model, response_model="", usage=Usage(1, 1), at=1.8e9)
ready = resident()
for number in range(5000):
    pricer.price(provider="openai", request_model=f"name-of-a-user-{number}", response_model="", usage=Usage(1, 1), at=1.8e9)
print(json.dumps({"load_seconds": round(loaded, 3), "resident_mb": round(ready - before, 2),
                  "resident_mb_after_5000_unknown_names": round(resident() - before, 2),
                  "genai_prices_imported": "genai_prices" in sys.modules}))
"""


def per_call(pricer: Pricer, rounds: int) -> dict[str, float]:
    """Microseconds for one price, by kind of call."""
    return {kind: best(_ask(pricer, *call), rounds) for kind, call in CALLS.items()}


def _ask(pricer: Pricer, provider: str, model: str, usage: Usage) -> object:
    def ask() -> object:
        return pricer.price(provider=provider, request_model=model, response_model=model, usage=usage, at=AT)

    return ask


def best(action: object, rounds: int, number: int = 2000) -> float:
    """Microseconds of processor time, the least of many short rounds: what a busy machine adds is not ours."""
    empty, full = (
        min(timeit.repeat(what, number=number, repeat=10 * rounds, timer=time.process_time))
        for what in (lambda: None, action)
    )
    return round((full - empty) / number * 1e6, 3)


def first_sight(pricer: Pricer) -> dict[str, float]:
    """Microseconds for a name that was not seen before: known to the list, and unknown."""
    numbers = count()

    def known() -> object:
        return _ask(pricer, "openai", f"x{next(numbers)}/gpt-4o", PLAIN)()

    def unknown() -> object:
        return _ask(pricer, "openrouter", f"nobody/knows-{next(numbers)}", PLAIN)()

    return {"known": best(known, 1, 100), "unknown": best(unknown, 1, 100)}


def build(place: Path) -> dict[str, float]:
    """The child process that compiles a table: seconds and its greatest memory."""
    start = time.perf_counter()
    path = update.build(place)
    taken = time.perf_counter() - start
    return {
        "build_seconds": round(taken, 2),
        "child_peak_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 1),
        "table_kb": round(path.stat().st_size / 1000),
    }


def requests(rounds: int) -> dict[str, float]:
    """Microseconds that a request pays for the middleware, and a call for its tally."""
    seen = Observation(
        AT, "openai", "gpt-4o", "chat", "", "", "", 0.5, input_tokens=9, output_tokens=9, cost=0.1, cost_source="prices"
    )

    async def app(scope: object, receive: object, send: object) -> None: ...

    served = ASGIMiddleware(app, headers={"x-tenant": "tenant"})
    scope = {"type": "http", "path": "/", "headers": [(b"host", b"a"), (b"accept", b"*/*"), (b"x-tenant", b"acme")]}

    def drive(application: object) -> None:
        try:
            application(scope, None, None).send(None)
        except StopIteration:
            return

    tally = RequestTotals()
    found = {"call inside of a request": best(lambda: tally.add(seen), rounds)}
    found["request without calls"] = round(best(lambda: drive(served), rounds) - best(lambda: drive(app), rounds), 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 3 if parser.parse_args().quick else 15
    with tempfile.TemporaryDirectory() as folder:
        figures: dict[str, object] = {"child": build(Path(folder))}
        host = subprocess.run([sys.executable, "-c", HOST], capture_output=True, text=True, check=True)
        figures["host"] = json.loads(host.stdout)
        pricer = Pricer(Config())
        pricer.load()
        figures["microseconds_per_call"] = per_call(pricer, rounds)
        figures["microseconds_at_first_sight"] = first_sight(pricer)
        figures["microseconds_of_middleware"] = requests(rounds)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
