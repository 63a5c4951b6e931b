"""``otel_llm.guard``: limits that act on the calls of a client, a block or a function."""

from __future__ import annotations

import functools
import inspect
import logging
import weakref
from collections.abc import Callable, Sequence
from contextlib import ContextDecorator, suppress
from contextvars import Token
from types import TracebackType
from typing import Any, Literal, TypeVar, overload

from otel_llm import runtime
from otel_llm.aggregate.window import Budget
from otel_llm.calls import limits, observe
from otel_llm.calls.allowance import OwnAllowance
from otel_llm.calls.limits import NANO, Action, Limit, Period, RunLimit
from otel_llm.core.refusals import RunawayError

from .service_limits import of_budget

logger = logging.getLogger("otel_llm")
C = TypeVar("C")
F = TypeVar("F", bound=Callable[..., Any])
OnExceeded = Literal["refuse", "warn", "switch"] | Action
SwitchTo = str | Callable[[str], str | None] | None
_PERIODS = ("day", "month", "block")


class Guarded(ContextDecorator):
    """Calls made inside are under limits, as ``with otel_llm.guard(...):`` or as a decorator. Made by ``guard``."""

    def __init__(self, make: Callable[[], tuple[Any, ...]]) -> None:
        self._make = make
        self._tokens: list[Token[tuple[Any, ...]]] = []

    def __enter__(self) -> None:
        _watched()
        limits.STATE.on = True
        self._tokens.append(limits.BLOCKS.set((*limits.BLOCKS.get(), *self._make())))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for token in reversed(self._tokens):  # those of other threads and tasks are not ours to reset
            with suppress(ValueError):
                limits.BLOCKS.reset(token)
                self._tokens.remove(token)
                return
        self._tokens.pop()

    def __call__(self, func: F) -> F:
        if not inspect.iscoroutinefunction(func):
            return super().__call__(func)

        @functools.wraps(func)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            with Guarded(self._make):
                return await func(*args, **kwargs)

        return wrapped  # type: ignore[return-value]

    def _recreate_cm(self) -> Guarded:  # each call of a decorated function is a block of its own
        return Guarded(self._make)


@overload
def guard(
    client: C,
    /,
    *,
    budget: float | str | None = None,
    on_exceeded: OnExceeded = "refuse",
    switch_to: SwitchTo = None,
    name: str = "guard",
    period: Literal["day", "month", "block"] = "day",
    each: str = "",
    tokens_per_minute: int | None = None,
    max_calls: int | None = None,
    max_repeats: int | None = None,
) -> C: ...


@overload
def guard(
    *,
    budget: float | str | None = None,
    on_exceeded: OnExceeded = "refuse",
    switch_to: SwitchTo = None,
    name: str = "guard",
    period: Literal["day", "month", "block"] = "day",
    each: str = "",
    tokens_per_minute: int | None = None,
    max_calls: int | None = None,
    max_repeats: int | None = None,
) -> Guarded: ...


def guard(
    client: Any = None,
    /,
    *,
    budget: float | str | None = None,
    on_exceeded: OnExceeded = "refuse",
    switch_to: SwitchTo = None,
    name: str = "guard",
    period: Literal["day", "month", "block"] = "day",
    each: str = "",
    tokens_per_minute: int | None = None,
    max_calls: int | None = None,
    max_repeats: int | None = None,
) -> Any:
    """Make limits act on the calls of a client (``guard(client, ...)`` returns the same client), of a block or of a function.

    ``budget`` is US dollars in each calendar ``period`` (day or month, in ``OTEL_LLM_TIMEZONE``), shared by all guards of this
    ``name`` in all workers, or of this ``block`` alone; or the name of a budget of ``OTEL_LLM_BUDGETS_FILE`` (an empty one is
    that of ``OTEL_LLM_BUDGET_DAILY_USD``). With ``each``, every value of that label, ``provider`` or ``model`` has the amount for
    itself. ``tokens_per_minute`` counts input and output. ``max_calls`` and ``max_repeats`` (of one tool call with the same answer,
    in one agent run) are for a block, or for each run of an agent.

    Before each call an estimate (the mean of the model's calls) is reserved, and settled when the call has ended: spend exceeds a
    limit by no more than the open calls cost beyond their estimates. Beyond it ``refuse`` raises ``BudgetExceededError`` and
    nothing is sent, ``warn`` logs and lets the call pass, ``switch`` sends it to ``switch_to``: a model, or a function from the
    model's name to one. A function as ``on_exceeded`` gets the ``BudgetExceededError``; it raises, or returns the model to use
    instead, or None to let the call pass.

    Raises ValueError where no limit or an impossible one is given.
    """
    action = _action(on_exceeded, switch_to)
    _check(budget, period, name, (tokens_per_minute, max_calls, max_repeats))
    make = functools.partial(
        _made, budget, action, name, period, each, tokens_per_minute, (max_calls, max_repeats), client is not None
    )
    if client is None:
        return Guarded(make)
    _watched()
    limits.STATE.on = True
    _keep(client, make())
    return client


def _made(
    budget: float | str | None, action: Action, name: str, period: Period, each: str, tokens: int | None,
    most: tuple[int | None, int | None], of_client: bool,
) -> tuple[Any, ...]:  # fmt: skip
    own = OwnAllowance() if period == "block" else None
    made: list[Any] = []
    if isinstance(budget, str):
        made += of_budget(_configured(budget), action)
    elif budget is not None:
        made.append(Limit(name, period, round(budget * NANO), "usd", action, (), each, own))
    if tokens is not None:
        made.append(Limit(f"{name} tokens", "minute", tokens, "tokens", action, (), each))
    calls, repeats = most
    if calls is not None and not of_client:
        made.append(Limit(name, "block", calls, "calls", action, (), "", OwnAllowance(), RunawayError))
        calls = None
    if calls is not None or repeats is not None:
        made.append(RunLimit(name, action, calls, None, repeats))
    return tuple(made)


def _action(on_exceeded: OnExceeded, switch_to: SwitchTo) -> Action:
    if callable(on_exceeded):
        return on_exceeded
    if on_exceeded == "switch":
        if switch_to is None:
            raise ValueError("on_exceeded='switch' needs switch_to: a model, or a function from a model's name to one")
        return lambda error: switch_to if isinstance(switch_to, str) else switch_to(error.model)
    known: dict[str, Action] = {"refuse": limits.refuse, "warn": limits.warn}
    if on_exceeded not in known:
        raise ValueError(f"on_exceeded {on_exceeded!r} is unknown (allowed: refuse, warn, switch, a function)")
    return known[on_exceeded]


def _check(budget: float | str | None, period: str, name: str, counts: Sequence[int | None]) -> None:
    if period not in _PERIODS:
        raise ValueError(f"period {period!r} is unknown (allowed: {', '.join(_PERIODS)})")
    if not name:
        raise ValueError("name is empty: it is what the guard is called in metrics")
    if budget is None and all(count is None for count in counts):
        raise ValueError("no limit is given (allowed: budget, tokens_per_minute, max_calls, max_repeats)")
    if isinstance(budget, int | float) and not 0 <= budget < 1e9:  # noqa: PLR2004 - 63 bits of nano-dollars
        raise ValueError(f"budget {budget} is not an amount of US dollars (allowed: 0 or more, below 1e9)")
    if bad := [count for count in counts if count is not None and count < 0]:
        raise ValueError(f"{bad[0]} is no limit (allowed: 0 or more)")


def _configured(name: str) -> Budget:
    running = runtime.current()
    budgets = () if running is None else running.budgets
    known = {budget.name: budget for budget in budgets}
    if name not in known:
        names = ", ".join(repr(one) for one in known) or "none, as nothing is watched yet"
        raise ValueError(f"budget {name!r} is not configured (configured: {names})")
    return known[name]


def _keep(client: Any, made: tuple[Any, ...]) -> None:
    """Remember the client's limits as long as it lives."""
    identities = limits.identities(client)
    for identity in identities:
        limits.CLIENTS[identity] = (*limits.CLIENTS.get(identity, ()), *made)

    def forget() -> None:
        for identity in identities:
            limits.CLIENTS.pop(identity, None)

    weakref.finalize(client, forget)


_warned: list[bool] = []


def _watched() -> None:
    """A guard stands in the way of calls that are watched; of others it knows nothing."""
    if runtime.current() is None and observe.active() is None and not _warned:
        _warned.append(True)
        logger.warning("otel_llm.guard(...) does not act: nothing is watched. Call otel_llm.instrument() first.")
