"""``python -m otel_llm``, the same as ``otel-llm``."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main()
