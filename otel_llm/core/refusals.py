"""What a guard raises instead of a call."""

from __future__ import annotations

from typing import Any


class BudgetExceededError(RuntimeError):
    """A guard refused a call before anything was sent to the provider.

    ``budget`` is the guard's or the budget's name (``name/value`` where each value of a label has its own), ``period`` is minute,
    day, month, block or run. ``limit``, ``used`` and ``estimate`` (of the refused call) are in ``unit``: ``usd``, ``tokens``,
    ``calls`` or ``repeats``; ``used`` includes what open calls have reserved. ``provider`` and ``model`` are those of the refused
    call. ``retry_after`` is seconds until the period ends, None where that is not soon.
    """

    def __init__(
        self,
        budget: str,
        period: str,
        *,
        unit: str = "usd",
        limit: float = 0.0,
        used: float = 0.0,
        estimate: float = 0.0,
        provider: str = "",
        model: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.budget = budget
        self.period = period
        self.unit = unit
        self.limit = limit
        self.used = used
        self.estimate = estimate
        self.provider = provider
        self.model = model
        self.retry_after = retry_after
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        within = {"usd": f"{self.limit:g} USD", "calls": f"{self.limit:g} model calls"}.get(
            self.unit, f"{self.limit:g} {self.unit}"
        )
        used = f"{self.used:.6g}" + (f" and about {self.estimate:.2g} for this call" if self.estimate else "")
        return (
            f"the {self.period} limit of {within} of {self.budget or 'the overall budget'!r} is reached ({used}): "
            f"the call of {self.model or 'a model'} was not made"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Exceptions travel between processes, and keep their facts."""
        return _remade, (type(self), self.budget, self.period, _facts(self))


class RunawayError(BudgetExceededError):
    """A run went beyond the calls, the money or the repeats of a tool that a guard allows it."""


def _facts(error: BudgetExceededError) -> dict[str, Any]:
    names = ("unit", "limit", "used", "estimate", "provider", "model", "retry_after")
    return {name: getattr(error, name) for name in names}


def _remade(kind: type[BudgetExceededError], budget: str, period: str, facts: dict[str, Any]) -> BudgetExceededError:
    return kind(budget, period, **facts)
