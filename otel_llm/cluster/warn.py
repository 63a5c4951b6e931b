"""Warnings for an operator, each logged once in a process."""

from __future__ import annotations

from otel_llm.core.guard import logger


class Warnings:
    """Call it with what does not work, as the second half of a sentence."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def __call__(self, text: str) -> None:
        if text not in self._logged:
            self._logged.add(text)
            logger.warning("Your service runs on, but %s.", text)
