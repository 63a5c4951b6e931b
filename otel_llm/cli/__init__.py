"""The command line. Works without the ``cli`` extra only to say that it is missing."""

from __future__ import annotations

import importlib.util
import sys

NEEDED = ("click", "rich", "yaml")


def main() -> None:
    """Entry point of ``otel-llm``. Exits 0 while nothing is wrong, 1 when a check failed, 2 on bad input or nothing to do."""
    if missing := lacking(*NEEDED):
        print(f"otel-llm: the command line {missing}", file=sys.stderr)
        raise SystemExit(2)
    from .app import run  # noqa: PLC0415 - they may be absent until here

    run()


def lacking(*names: str) -> str:
    """Which of the extra's ``names`` are not installed, with the remedy. Empty if all are."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return f"needs {' and '.join(missing)}: pip install 'otel-llm[cli]'" if missing else ""
