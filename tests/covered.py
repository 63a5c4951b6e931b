"""Hold what ``pytest --cover`` counted against the floors: every branch of the pure modules, and most of all others.

Usage: ``python tests/covered.py``, after a whole run. What runs in processes that tests start (workers, servers, commands) is not
counted, so the floor of the others is lower than what is tested.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import coverage

ROOT = Path(__file__).resolve().parent.parent
PURE = (  # no clock, no files, no threads, nothing of the host: what they do is in their arguments and results
    "core/catalogue", "core/config", "core/document", "core/dispatch", "core/errors", "core/measures", "core/metric", "core/model",
    "core/objectives", "core/conditions", "core/semconv", "core/setting_readers", "core/shapes", "core/version",
    "calls/declarations", "outputs/messages",
    "pricing/lookup", "pricing/explain", "pricing/names", "pricing/overrides", "pricing/price", "pricing/rates", "pricing/table",
    "ops/*", "aggregate/*", "aggregate/window/*",
)  # fmt: skip
FLOOR = 85.0  # percent of lines and branches of everything


def main() -> int:
    cover = coverage.Coverage(config_file=str(ROOT / ".coveragerc"))
    cover.combine()
    cover.save()
    pure = cover.report(include=[f"*/otel_llm/{name}.py" for name in PURE], show_missing=True)
    whole = cover.report(file=io.StringIO())
    print(f"pure modules: {pure:.2f} % (100 % is asked for); all: {whole:.2f} % (at least {FLOOR:.0f} %)")
    return 0 if pure == 100 and whole >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
