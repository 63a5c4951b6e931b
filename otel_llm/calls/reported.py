"""A call that is over when it is reported: by another library's span, a framework's hook or a batch's results."""

from __future__ import annotations

import time
from typing import Any

from otel_llm.core.model import Observation

from .invocation import Invocation


class Reported(Invocation):
    """Such a call. It is counted once, by one of these methods."""

    __slots__ = ("since",)

    def count(self, error: str, duration: float) -> None:
        """Count the call, which took ``duration`` seconds and has a span."""
        self.done = True
        self._count(self._observed_now(error, duration))

    def show(self, error: str, duration: float) -> None:
        """Count the call, and make its span, which begins ``duration`` seconds ago."""
        self.done, self.since = True, int((time.time() - duration) * 1e9)
        for opened in self.observer.sinks_opened:
            opened(self)
        observation = self._observed_now(error, duration)
        for closed in self.observer.sinks_closed:
            closed(self, observation)
        if self.request.counted:
            self._count(observation)
        self._beside(observation)

    def bill(self, answer: Any) -> None:
        """Count an answer whose request nobody waited for: it has no span and no duration, but it has a price."""
        self.done = True
        self.read(answer)
        self.response.service_tier = self.request.service_tier
        self._count(self._observed_now("", 0.0))

    def _observed_now(self, error: str, duration: float) -> Observation:
        at = time.time()
        return self.observation(error, duration, at) or self._bare(error, duration, at)
