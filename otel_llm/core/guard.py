"""The one place where our own errors stop: counted, logged once per place, never raised into the host."""

from __future__ import annotations

import logging
from collections.abc import Callable
from traceback import extract_tb, format_list
from types import TracebackType
from typing import Any

logger = logging.getLogger("otel_llm")
Stops = Callable[["type[BaseException] | None", "BaseException | None", "TracebackType | None"], bool]

INTERNAL_ERRORS = "otel_llm_internal_errors_total"
COMPONENTS = (
    "alert_handler", "alerts", "bridge", "chunk", "content", "doctor", "end", "evaluations", "follow", "fork", "framework", "gateway",
    "hook", "limits", "link",
    "middleware", "open", "pricing", "read_request", "recorder", "registry", "scrape", "server", "spend", "start", "status", "stop",
    "store", "verdicts", "watch", "workers",
)  # fmt: skip
"""Where errors stop: the values of the label of ``otel_llm_internal_errors_total``."""


class Guard:
    """``with guard("component"):`` around our own code, never around the host's or the provider's."""

    strict = False  # tests set this: our errors then surface
    errors: dict[str, int] = {}  # noqa: RUF012
    _logged: set[tuple[str, str]] = set()  # noqa: RUF012

    __slots__ = ("component",)

    def __init__(self, component: str) -> None:
        self.component = component

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        Guard.errors[self.component] = Guard.errors.get(self.component, 0) + 1
        place = (self.component, type(error).__name__)
        if place not in Guard._logged:
            Guard._logged.add(place)
            logger.warning(
                "Your call is unaffected: otel-llm failed in %s with %s (logged once for each kind of error), at\n%s",
                self.component,
                type(error).__qualname__,
                "".join(format_list(extract_tb(trace))),  # not its text, which may quote a prompt or an answer
            )
        return not Guard.strict


class foreign:  # noqa: N801 - reads as a function
    """``with foreign(failed):`` around code of an SDK that we run on the caller's behalf: it may fail in its own right, and
    will again when the caller runs it. ``failed`` gets it; only what is no ``Exception`` (a cancellation) goes on."""

    __slots__ = ("_failed",)

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self._failed(error)
        return isinstance(error, Exception)


def guard(component: str) -> Guard:
    """A guard for ``component``, one of ``COMPONENTS``."""
    made = _GUARDS.get(component)
    if made is None:
        made = _GUARDS[component] = Guard(component)
    return made


def guarded(component: str, work: Callable[..., Any], takes: int) -> Callable[..., Any]:
    """``work`` of one to four arguments (``takes``), where its own errors stop: it then returns None.

    Less than half the cost of a ``with``, as the interpreter enters a function with plain arguments without leaving its loop.
    """
    return _GUARDED[takes - 1](work, guard(component).__exit__)


def applying(component: str) -> Callable[[Callable[..., Any], Any, Any], Any]:
    """What calls a function, given at each call, with two arguments: its own errors stop there, and it then returns None."""
    stops = guard(component).__exit__

    def apply(work: Callable[..., Any], first: Any, second: Any) -> Any:
        try:
            return work(first, second)
        except Exception as error:
            if not stops(type(error), error, error.__traceback__):
                raise

    return apply


def _one(work: Callable[..., Any], stops: Stops) -> Callable[..., Any]:
    def one(first: Any) -> Any:
        try:
            return work(first)
        except Exception as error:
            if not stops(type(error), error, error.__traceback__):
                raise

    return one


def _two(work: Callable[..., Any], stops: Stops) -> Callable[..., Any]:
    def two(first: Any, second: Any) -> Any:
        try:
            return work(first, second)
        except Exception as error:
            if not stops(type(error), error, error.__traceback__):
                raise

    return two


def _three(work: Callable[..., Any], stops: Stops) -> Callable[..., Any]:
    def three(first: Any, second: Any, third: Any) -> Any:
        try:
            return work(first, second, third)
        except Exception as error:
            if not stops(type(error), error, error.__traceback__):
                raise

    return three


def _four(work: Callable[..., Any], stops: Stops) -> Callable[..., Any]:
    def four(first: Any, second: Any, third: Any, fourth: Any) -> Any:
        try:
            return work(first, second, third, fourth)
        except Exception as error:
            if not stops(type(error), error, error.__traceback__):
                raise

    return four


_GUARDED = (_one, _two, _three, _four)
_GUARDS: dict[str, Guard] = {}
