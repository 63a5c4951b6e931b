"""Which of the spans that came are calls, and each of them once. Pure: times come in as seconds, of any clock that does not go back.

A call is held for some seconds, until the spans around it had time to come, in whatever order and batch. Then the innermost inference
span counts: one with another inside of it does not. What a span of a server says belongs to its caller, where that is
known: one call, with what the inner span knows and the labels of the outer one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

from . import providers
from .remember import Remembered
from .span import Call

PATIENCE = 12
"""How many times as long as others a call is held that waits for its other half."""
_SIGNALS = {"record": 1, "point": 2}
"""Parts that are no spans. Of a service that sends several signals the best one counts: spans, then records, then points."""
_DEEPEST = 64  # spans from a call up to the root of its trace


class Link(NamedTuple):
    """A span that is no call, as far as it says whose child is whose."""

    key: bytes
    parent: bytes
    server: bool


class Settled(NamedTuple):
    """What was decided: calls to be counted, attempts that were made again, the keys that are decided, and how, by word."""

    calls: list[Call]
    retries: list[Call]
    keys: list[bytes]
    words: Counter[str]


class _Held(NamedTuple):
    call: Call
    since: float


class _Caller(NamedTuple):
    labels: tuple[str, ...]
    instance: str
    provider: str
    model: str


class _Attempt(NamedTuple):
    start: float
    end: float
    failed: bool


class Resolver:
    """``settle`` seconds a call is held; ``remember`` seconds its id is known, so that a batch that is sent again counts nothing.

    At most ``most`` ids are known at a time. Not thread-safe.
    """

    def __init__(self, settle: float = 10.0, remember: float = 600.0, most: int = 500_000) -> None:
        self.settle = settle
        around = max(60.0, (PATIENCE + 1) * settle)  # seconds in which spans of one call come
        self._counted: Remembered[None] = Remembered(max(remember, around), most)
        self._covered: Remembered[None] = Remembered(max(remember, around), most)  # spans with a call inside
        self._above: Remembered[tuple[bytes, bool]] = Remembered(
            around, most
        )  # span -> its parent, and whether it is a server's
        self._callers: Remembered[_Caller] = Remembered(around, most)
        self._answers: Remembered[tuple[str, float, float]] = Remembered(
            around, most
        )  # (trace, id of the answer) -> its first call
        self._attempts: Remembered[list[_Attempt]] = Remembered(around, most)  # span -> the attempts inside
        self._best: Remembered[list[int]] = Remembered(3600.0, 10_000)  # service -> the best signal that it sends
        self._selves: Remembered[None] = Remembered(3600.0, 10_000)
        self._held: dict[bytes, _Held] = {}
        self._due: deque[bytes] = deque()
        self._heads: dict[tuple[str, str], list[bytes]] = {}

    @property
    def held(self) -> int:
        """Calls that wait."""
        return len(self._held)

    def is_new(self, key: bytes) -> bool:
        """Whether no call with this key came yet."""
        return key not in self._counted

    def counts_itself(self, instance: str, now: float) -> None:
        """A process that runs otel-llm: none of its calls is counted here."""
        self._selves.put(instance, None, now)

    def link(self, link: Link, now: float) -> None:
        """A span that is no call."""
        self._above.put(link.key, (link.parent, link.server), now)
        if link.key in self._covered:
            self._cover(link.parent, now)

    def take(self, call: Call, now: float) -> bool:
        """Hold a call; False where it came before."""
        if call.key in self._counted:
            return False
        self._counted.put(call.key, None, now)
        self._held[call.key] = _Held(call, now)
        self._due.append(call.key)
        rank = _SIGNALS.get(call.part, 0)
        self._best.put(call.labels, [rank], now)
        if (best := self._best.get(call.labels)) is not None:
            best[0] = min(best[0], rank)
        if call.part == "tail" or rank:
            return True
        if call.part == "head":
            self._heads.setdefault((call.instance, call.model), []).append(call.key)
        elif call.part == "attempt":
            self._attempts.put(call.parent, [], now)
            attempts = self._attempts.get(call.parent)
            if attempts is not None and len(attempts) < _DEEPEST:
                attempts.append(_Attempt(call.start, call.end, bool(call.error)))
        self._above.put(call.key, (call.parent, call.server), now)
        self._callers.put(call.key, _Caller(call.labels, call.instance, call.provider, call.model), now)
        self._cover(call.parent, now)
        return True

    def settled(self, now: float, *, all_of_it: bool = False) -> Settled:
        """Decide what was held long enough, or ``all_of_it`` as at the end."""
        settled = Settled([], [], [], Counter())
        waiting: list[bytes] = []
        while self._due:
            held = self._held.get(self._due[0])
            if held is not None and not all_of_it and now - held.since < self.settle:
                break
            key = self._due.popleft()
            if held is None:
                continue
            if not all_of_it and now - held.since < PATIENCE * self.settle and self._waits(held.call):
                waiting.append(key)
            elif held.call.part == "tail":
                self._join(held.call, settled, now)
            else:
                self._decide(held.call, settled, now)
        self._due.extendleft(reversed(waiting))
        return settled

    def restore(self, calls: Iterable[Call], links: Iterable[Link], decided: Iterable[bytes], now: float) -> None:
        """Take up what was on disk: the spans that came, and the keys of the calls that were decided."""
        for link in links:
            self.link(link, now)
        done = set(decided)
        for call in calls:
            if self.take(call, now) and call.key in done:
                self._drop(call)

    def _cover(self, key: bytes, now: float) -> None:
        """The span ``key`` and those above it have a call inside. Those that come later get it then."""
        for _ in range(_DEEPEST):
            if not key or key in self._covered:
                return
            self._covered.put(key, None, now)
            above = self._above.get(key)
            if above is None:
                return
            key = above[0]

    def _caller(self, call: Call) -> _Caller | None:
        """Whoever made a call that a server made for it: the inference span of another process above a server's span."""
        key, server = call.parent, call.server
        for _ in range(_DEEPEST):
            if not key:
                return None
            caller = self._callers.get(key) if server else None
            if caller is not None and caller.instance != call.instance:
                return caller
            above = self._above.get(key)
            if above is None:
                return None
            key, server = above[0], server or above[1]
        return None

    def _waits(self, call: Call) -> bool:
        """Whether something that belongs to a call may come yet."""
        if call.part == "tail":
            return self._head_of(call) is None
        return call.part == "head" or (
            call.part == "attempt"
            and bool(call.error)
            and call.parent not in self._above
            and not self._is_repeated(call)
        )

    def _decide(self, call: Call, settled: Settled, now: float) -> None:
        self._drop(call)
        settled.keys.append(call.key)
        word = self._word(call, now)
        settled.words[word] += 1
        if word == "retried":
            settled.retries.append(call)
        elif word == "counted":
            settled.calls.append(self._whole(call))

    def _word(self, call: Call, now: float) -> str:
        """How a call is resolved."""
        if call.instance in self._selves:
            return "self_counted"
        if _SIGNALS.get(call.part, 0) > (self._best.get(call.labels) or (0,))[0]:
            return "other_signal"
        if call.key in self._covered:
            return "covered"
        if self._is_double(call, now):
            return "doubled"
        if call.weight <= 0:
            return "refused"
        return "retried" if call.error and self._is_repeated(call) else "counted"

    def _drop(self, call: Call) -> None:
        del self._held[call.key]
        place = (call.instance, call.model)
        if call.key in self._heads.get(place, ()):
            self._heads[place].remove(call.key)
            if not self._heads[place]:
                del self._heads[place]

    def _whole(self, call: Call) -> Call:
        """The call as it is counted: with its caller's labels, and from its first attempt on."""
        if (caller := self._caller(call)) is not None:
            call = call._replace(
                labels=caller.labels,
                provider=caller.provider if call.provider == providers.UNKNOWN else call.provider,
                model=call.model or caller.model,
            )
        if call.part == "attempt":
            start = call.start
            for attempt in sorted(self._attempts.get(call.parent) or (), reverse=True):
                if attempt.end <= start and attempt.start < start:
                    if not attempt.failed:
                        break
                    start = attempt.start
            call = call._replace(start=start)
        return call

    def _is_double(self, call: Call, now: float) -> bool:
        """Whether another instrumentation reported the same answer: same trace, same id, another scope, at the same time."""
        if not call.response_id:
            return False
        place = (call.key[:16], call.response_id)
        other = self._answers.get(place)
        if other is None:
            self._answers.put(place, (call.scope, call.start, call.end), now)
            return False
        scope, start, end = other
        return scope != call.scope and start <= call.end and call.start <= end

    def _is_repeated(self, call: Call) -> bool:
        """Whether an attempt was made again: its caller made another one after it."""
        if call.part != "attempt":
            return False
        return any(attempt.start >= call.end for attempt in self._attempts.get(call.parent) or ())

    def _join(self, tail: Call, settled: Settled, now: float) -> None:
        """Give the usage of a stream's second record to its first one, and decide on that."""
        head = self._head_of(tail)
        del self._held[tail.key]
        settled.keys.append(tail.key)
        if head is None:
            settled.words["unpaired"] += 1
            return
        self._decide(
            head._replace(
                end=max(tail.end, head.end), stream=True, tokens=tail.tokens, finish=tail.finish, cost=tail.cost, error=tail.error,
                response_model=tail.response_model or head.response_model, response_id=tail.response_id,
            ),
            settled, now,
        )  # fmt: skip

    def _head_of(self, tail: Call) -> Call | None:
        """The beginning of a stream: a sibling of the tail where there is one, else what ended last before it."""
        heads = [self._held[key].call for key in self._heads.get((tail.instance, tail.model), ())]
        before = [head for head in heads if head.start <= tail.end]
        siblings = [head for head in before if head.key[:16] == tail.key[:16] and head.parent == tail.parent]
        return max(siblings or before, key=lambda head: head.end, default=None)
