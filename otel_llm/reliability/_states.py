"""Steps of breakers as their libraries name them, and what pybreaker and its fork aiobreaker have in common."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Around, Kwargs

from .breakers import circuit_breaker

_STATES = {"closed": "closed", "open": "opened", "opened": "opened", "half-open": "half_opened", "half_open": "half_opened",
           "half-opened": "half_opened", "halfopen": "half_opened"}  # fmt: skip


def report(name: str, state: str) -> None:
    """The breaker ``name`` is in ``state``, in its library's word; one we do not know changes nothing."""
    breaker = circuit_breaker(name)
    step = _STATES.get(state.lower())
    if step is not None:
        getattr(breaker, step)()


def hooks(breakers: str, states: str, unnamed: str) -> tuple[Around, ...]:
    """The hooks of a library whose breaker makes an object for each state it enters, and says so to its listeners.

    They also see breakers that were made before, and leave every breaker's listeners alone.
    """

    def made(breaker: Any, _: Any, __: Any, error: BaseException | None) -> None:
        if error is None:
            circuit_breaker(breaker.name or unnamed)

    def entered(state: Any, notify: Any, _: Any, error: BaseException | None) -> None:
        if notify and error is None:
            report(state._breaker.name or unnamed, type(state).__name__.removeprefix("Circuit").removesuffix("State"))  # noqa: SLF001

    kinds = ("CircuitClosedState", "CircuitOpenState", "CircuitHalfOpenState")
    return (
        Around(breakers, ("CircuitBreaker.__init__",), made),
        Around(states, tuple(f"{kind}.__init__" for kind in kinds), entered, _notify),
    )


def _notify(_: Any, args: Args, kwargs: Kwargs) -> bool:
    """Whether a state is entered, and did not hold before: (breaker, prev_state, notify)."""
    return bool(kwargs.get("notify", args[2] if len(args) > 2 else False))  # noqa: PLR2004
