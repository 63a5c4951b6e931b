"""Limits that act, where somebody opted in: a call is asked for before it begins, and settled when it has ended.

An amount is reserved first and read with everybody else's right after, so of two calls that race for the last cent at most one
passes. Everything is counted in whole units, so that sums are exact.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import field
from datetime import datetime, timezone, tzinfo
from typing import Any, Literal

from otel_llm.core import dispatch, fork
from otel_llm.core.guard import guarded
from otel_llm.core.model import Event, Observation, Request, Response, Usage
from otel_llm.core.refusals import BudgetExceededError, RunawayError
from otel_llm.core.shapes import dataclass

from . import runs
from .allowance import Allowance, OwnAllowance
from .context import given

logger = logging.getLogger("otel_llm")
Period = Literal["minute", "day", "month", "block"]
Unit = Literal["usd", "tokens", "calls"]
Action = Callable[[BudgetExceededError], "str | None"]
Price = Callable[[Request, Response, Usage, float], Any]

NANO = 1e9
"""Units of a US dollar. Tokens are counted as they are."""
SWITCHED_FROM = "otel_llm.switched_from"  # the span attribute: the model that the caller asked for
DECISIONS = "otel_llm_budget_decisions_total"
MOST_KEYS = 1000
ANSWER_TOKENS = 500
"""What an answer is taken to have before one was seen, where the call sets no maximum."""
_QUARTER = 900
_LEARN = 0.2  # weight of the newest call in the mean that estimates use


class _State:
    __slots__ = ("epoch", "on", "runs", "service", "shared", "zone")

    def __init__(self) -> None:
        self.on = False  # whether anything is guarded in this process: calls ask no further otherwise
        self.service: tuple[Limit, ...] = ()
        self.runs: tuple[RunLimit, ...] = ()
        self.shared: Allowance = OwnAllowance()  # of all workers, where the runtime has put it in
        self.zone: tzinfo = timezone.utc
        self.epoch = 0  # of forks: what a parent reserved is not settled by its child


STATE = _State()
BLOCKS: ContextVar[tuple[Any, ...]] = ContextVar("otel_llm_guards", default=())
CLIENTS: dict[int, tuple[Any, ...]] = {}
"""Limits of clients, by the identity of the client and of what its copies share with it."""
_HOLDS_CLIENT = ("_client", "_api_client", "sdk_configuration", "_raw_client", "_client_wrapper")


def _forked() -> None:
    STATE.epoch += 1


fork.in_child(_forked)


def refuse(error: BudgetExceededError) -> None:
    """Raise instead of making the call."""
    raise error


def warn(error: BudgetExceededError) -> None:
    """Log, and let the call pass. Logged once for each budget, period and minute."""
    key = (error.budget, error.period, int(time.time() // 60))
    if key not in _warned:
        if len(_warned) >= MOST_KEYS:
            _warned.clear()
        _warned.add(key)
        logger.warning("%s", str(error).replace("was not made", "is made all the same"))


_warned: set[tuple[str, str, int]] = set()


class Hold:
    """What a call has reserved, until it is settled. ``arguments`` are those that send it to another model, where it goes to one."""

    __slots__ = ("arguments", "epoch", "parts")

    def __init__(self) -> None:
        self.parts: list[tuple[Limit, str, int, int]] = []  # the limit, its account, the period, the amount
        self.arguments: Any = None
        self.epoch = STATE.epoch

    def settle(self, nano: int | None, tokens: int | None, calls: int | None = None) -> None:
        """Replace what was reserved by what the call used; None keeps the estimate. Later calls change nothing."""
        actual = {"usd": nano, "tokens": tokens, "calls": calls}
        parts, self.parts = self.parts, []
        if self.epoch != STATE.epoch:
            return
        for limit, account, period, amount in parts:
            used = actual[limit.unit]
            if used is None:
                continue
            present = limit.period_at(time.time())
            if present == period:
                limit.allowance.settle(account, period, used - amount)
            else:  # money counts in the period in which the call ended, as in the metrics
                limit.allowance.settle(account, present, used)

    def __del__(self) -> None:
        if self.parts:  # a call that never began, or was refused
            self.settle(0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """So much of ``unit`` (nano-dollars, tokens, calls) in each ``period`` for the calls that match, or for each value of a label.

    ``match`` is pairs of label and value (or ``prefix*``) as a budget has them; ``own`` is where a limit is not shared.
    """

    budget: str
    period: Period
    amount: int
    unit: Unit
    action: Action
    match: tuple[tuple[str, str], ...] = ()
    each: str = ""
    own: Allowance | None = None
    error: type[BudgetExceededError] = BudgetExceededError
    _known: list[int] = field(default_factory=lambda: [-1, 0])

    @property
    def allowance(self) -> Allowance:
        return STATE.shared if self.own is None else self.own

    def name(self, request: Request, labels: Mapping[str, str]) -> str | None:
        """The budget's name for a call; None where it is not about that call."""
        for label, wanted in self.match:
            value = _value(label, request, labels)
            if not (value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted):
                return None
        if not self.each:
            return self.budget
        value = _value(self.each, request, labels)
        return f"{self.budget}/{value}" if value else None

    def account(self, name: str) -> str:
        return f"{self.unit}|{self.period}|{name}"

    def period_at(self, now: float) -> int:
        """The number of the period that ``now`` is in."""
        if self.period == "minute":
            return int(now // 60)
        if self.period == "block":
            return 0
        quarter = int(now // _QUARTER)
        if self._known[0] != quarter:  # no time zone's day begins inside of one
            day = datetime.fromtimestamp(now, STATE.zone).date()
            self._known[:] = quarter, day.toordinal() if self.period == "day" else day.year * 12 + day.month
        return self._known[1]

    def exceeded(self, name: str, request: Request, used: int, amount: int, now: float) -> BudgetExceededError:
        scale = NANO if self.unit == "usd" else 1.0
        left = 60 - now % 60 if self.period == "minute" else None
        return self.error(
            name, self.period, unit=self.unit, limit=self.amount / scale, used=(used - amount) / scale, estimate=amount / scale,
            provider=request.provider, model=request.model or "", retry_after=left,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class RunLimit:
    """What one outermost run of an agent may do: model calls, US dollars, repeats of a tool with the same answer."""

    name: str
    action: Action
    calls: int | None = None
    usd: float | None = None
    repeats: int | None = None

    def asked(self, request: Request) -> RunawayError | None:
        step = runs.current() if runs.STATE.used else None
        run = None if step is None else runs.outermost(step)
        if run is None:
            return None
        repeats = max((times for _, times in (run.repeats or {}).values()), default=0)
        spent = 0.0 if run.tally is None else run.tally.cost
        limits = ("calls", self.calls, run.begun), ("usd", self.usd, spent), ("repeats", self.repeats, repeats)
        for unit, limit, used in limits:
            if limit is not None and used >= limit:
                return RunawayError(
                    f"{self.name} {run.label()}", "run", unit=unit, limit=limit, used=used,
                    provider=request.provider, model=request.model or "",
                )  # fmt: skip
        return None


def _value(label: str, request: Request, labels: Mapping[str, str]) -> str:
    if label == "provider":
        return request.provider
    return (request.model or "") if label == "model" else labels.get(label, "")


class _Estimates:
    """What a call costs, by what those before it did: a mean of each provider, model and operation, the newest weighing most."""

    def __init__(self) -> None:
        self._means: dict[int, tuple[float, float]] = {}  # by a hash: names are as long as somebody likes

    def of(self, request: Request, price: Price | None) -> tuple[int, int]:
        """Nano-dollars and tokens."""
        known = self._means.get(hash((request.provider, request.model or "", request.operation)))
        if known is None:
            known = _first(request, price)
        return round(known[0]), round(known[1])

    def learn(self, observation: Observation) -> None:
        key = hash((observation.provider, observation.request_model, observation.operation))
        tokens = (observation.input_tokens or 0) + (observation.output_tokens or 0)
        cost = (observation.cost or 0.0) * NANO
        before = self._means.get(key)
        if before is None and len(self._means) >= MOST_KEYS:
            self._means.clear()
        was = (cost, tokens) if before is None else before
        self._means[key] = was[0] + _LEARN * (cost - was[0]), was[1] + _LEARN * (tokens - was[1])


def _first(request: Request, price: Price | None) -> tuple[float, float]:
    """Of a model's first call: four letters are a token, and the answer has as many as it may."""
    asked = len(str(request.content())) // 4 if request.content is not None else 0
    most = request.attributes.get("gen_ai.request.max_tokens")
    answer = most if isinstance(most, int) and request.operation != "embeddings" else ANSWER_TOKENS
    usage = Usage.of(asked, 0 if request.operation == "embeddings" else answer)
    priced = None if price is None else price(request, Response.to(None), usage, time.time())
    cost = None if priced is None else priced[0]
    return (cost or 0.0) * NANO, asked + (usage.output_tokens or 0)


ESTIMATES = _Estimates()


def limits_of(instance: Any) -> tuple[Any, ...]:
    """All limits that a call made here through ``instance`` is under."""
    limits = (*STATE.service, *STATE.runs, *BLOCKS.get())
    return (*limits, *_of_client(instance)) if CLIENTS else limits


def identities(client: Any) -> list[int]:
    """What a client and its copies share, so that a copy with other options is guarded as well."""
    identities: list[int] = [id(client)]
    level = [client]
    for _ in range(3):
        level = [
            held
            for one in level
            for name, held in (getattr(one, "__dict__", None) or {}).items()
            if name in _HOLDS_CLIENT and held is not None
        ]
        identities += [id(held) for held in level]
    return identities


def _of_client(instance: Any) -> tuple[Any, ...]:
    for identity in identities(instance):
        if identity in CLIENTS:
            return CLIENTS[identity]
    return ()


def admit(
    request: Request, instance: Any, price: Price | None, switch: Callable[[str], Any] | None = None
) -> Hold | None:
    """Ask every limit whether the call may be made. What it returns goes with the call; None where nothing is guarded.

    ``switch`` gives the arguments that send the call to another model, or None where the client has no such. Raises what the
    limit's action raises: a ``BudgetExceededError``, or what the host's own function does.
    """
    limits = limits_of(instance)
    if not limits:
        return None
    hold = Hold()
    nano, tokens = _estimate(request, price) or (0, 0)
    labels, admitted = given(), False
    try:
        for limit in limits:
            error = _ask(limit, hold, (request, labels), (nano, tokens))
            if error is not None:
                _answer(limit, hold, (request, switch), error)
        admitted = True
    finally:
        if not admitted:
            hold.settle(0, 0, 0)
    return hold


def _asked(
    limit: Limit | RunLimit, hold: Hold, call: tuple[Request, Mapping[str, str]], estimate: tuple[int, int]
) -> BudgetExceededError | None:
    """Reserve; the error where that is beyond the limit."""
    request, labels = call
    if isinstance(limit, RunLimit):
        return limit.asked(request)
    name = limit.name(request, labels)
    if name is None:
        return None
    now = time.time()
    account, period = limit.account(name), limit.period_at(now)
    amount = {"usd": estimate[0], "tokens": estimate[1], "calls": 1}[limit.unit]
    used = limit.allowance.reserve(account, period, amount)
    hold.parts.append((limit, account, period, amount))
    if used > limit.amount or used - amount >= limit.amount:
        return limit.exceeded(name, request, used, amount, now)
    _count(name, "allowed")
    return None


def _answer(
    limit: Limit | RunLimit, hold: Hold, call: tuple[Request, Callable[[str], Any] | None], error: BudgetExceededError
) -> None:
    """Do as the limit says. The host's function runs outside of our own guards, and may raise."""
    request, switch = call
    decision = "refused"
    try:
        model = limit.action(error)
        if not model or model == request.model:
            decision = "allowed"
            return
        arguments = None if switch is None else switch(model)
        if arguments is None:  # this client cannot
            raise error
        decision = "switched"
        hold.arguments = arguments
        request.attributes[SWITCHED_FROM] = request.model or ""
        request.model = model
    finally:
        _count(error.budget, decision)
        if decision == "refused" and isinstance(error, RunawayError):
            dispatch.runaway(error.budget, "", int(error.used))


def _count(budget: str, decision: str) -> None:
    dispatch.emit(Event(DECISIONS, time.time(), (budget, decision)))


_ask = guarded("limits", _asked, 4)
_estimate = guarded("limits", ESTIMATES.of, 2)
_CUT = frozenset(("cancelled", "abandoned", "timeout", "connection"))


def _settled(call: Any, observation: Observation) -> None:
    """A call has ended. One that failed without usage is free; one that was cut short, or did not say, costs as estimated."""
    known = (
        observation.input_tokens is not None or observation.output_tokens is not None or observation.cost is not None
    )
    tokens = (observation.input_tokens or 0) + (observation.output_tokens or 0)
    if known and not observation.error_type:
        ESTIMATES.learn(observation)
    if call.hold is None:
        _add(observation, call.labels, tokens)
        return
    free = 0 if observation.error_type and observation.error_type not in _CUT and not known else None
    nano = free if observation.cost is None else round(observation.cost * NANO)
    call.hold.settle(nano, tokens if known else free)


def _add(observation: Observation, labels: Mapping[str, str], tokens: int) -> None:
    """A call was made in a way that no guard stands in, as one of a session or a batch: it counts all the same."""
    now, request = (
        time.time(),
        Request(observation.provider, observation.operation, observation.request_model, _NO_READER),
    )
    amounts = {"usd": round((observation.cost or 0.0) * NANO), "tokens": tokens, "calls": 1}
    for limit in STATE.service:
        name = limit.name(request, labels)
        if name is not None:
            limit.allowance.settle(limit.account(name), limit.period_at(now), amounts[limit.unit])


_NO_READER: Any = None
settle = guarded("limits", _settled, 2)
