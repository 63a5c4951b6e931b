"""langchain: agents whose ``ModelFallbackMiddleware`` asks another model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from otel_llm.calls.declarations import ReliabilityLibrary, Replace
from otel_llm.core.errors import error_type
from otel_llm.core.guard import guard

from ._naming import name_of
from .fallbacks import fallback

_HOOK = guard("hook")
MODULE = "langchain.agents.middleware.model_fallback"


class _Attempts:
    """The models that one request asks, one after the other."""

    def __init__(self) -> None:
        self._failed: tuple[str, str] | None = None

    def scope(self, request: Any) -> Any:
        """What the next attempt is made in: a fallback, if one failed before."""
        with _HOOK:
            if self._failed is not None:
                return fallback(self._failed[0], name_of(request.model), self._failed[1])
        return nullcontext()

    def failed(self, request: Any, error: Exception) -> None:
        """The attempt that was made last failed."""
        with _HOOK:
            self._failed = name_of(request.model), error_type(error)


def reporting(original: Any, _: Callable[[], Any]) -> Any:
    """``wrap_model_call``, with a handler that reports its second use."""

    def wrap_model_call(self: Any, request: Any, handler: Callable[[Any], Any]) -> Any:
        attempts = _Attempts()

        def handle(request: Any) -> Any:
            try:
                with attempts.scope(request):
                    return handler(request)
            except Exception as error:
                attempts.failed(request, error)
                raise

        return original(self, request, handle)

    return wrap_model_call


def reporting_async(original: Any, _: Callable[[], Any]) -> Any:
    """``awrap_model_call``, likewise."""

    async def awrap_model_call(self: Any, request: Any, handler: Callable[[Any], Any]) -> Any:
        attempts = _Attempts()

        async def handle(request: Any) -> Any:
            try:
                with attempts.scope(request):
                    return await handler(request)
            except Exception as error:
                attempts.failed(request, error)
                raise

        return await original(self, request, handle)

    return awrap_model_call


signal = ReliabilityLibrary(
    name="langchain",
    distribution="langchain",
    requires=">=1.0,<2",
    tested=("1.5.0",),
    hooks=(
        Replace(MODULE, "ModelFallbackMiddleware.wrap_model_call", reporting),
        Replace(MODULE, "ModelFallbackMiddleware.awrap_model_call", reporting_async),
    ),
)
