"""``python -m otel_llm.cli``, the same as ``otel-llm``."""

from __future__ import annotations

from . import main

if __name__ == "__main__":
    main()
