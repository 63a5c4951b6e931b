"""A service with an hour of calls, as the status page shows it: six models, one of which may fail."""

from __future__ import annotations

from random import Random

from otel_llm.aggregate import Store
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Observation

AT = 1_795_953_871.0
MODELS = (
    # provider, model, seconds between calls, seconds, US dollars, output tokens
    ("openai", "gpt-4.1", 4.0, 3.2, 0.0055, 140), ("anthropic", "claude-opus-4-6", 60.0, 9.0, 0.04, 300),
    ("anthropic", "claude-sonnet-4-6", 5.0, 4.0, 0.0055, 300), ("anthropic", "claude-haiku-4-5", 6.0, 1.4, 0.0022, 250),
    ("openai", "gpt-5-mini", 5.0, 3.0, 0.0013, 400), ("openai", "text-embedding-3-small", 7.0, 0.15, 0.00002, None),
)  # fmt: skip


class Service:
    """``name`` takes the place of the failing model's; the incident began 21 minutes before ``AT``. ``agent`` names one that
    has runs, of which some fail, and a tool of its own that it may call in ``circles``."""

    def __init__(
        self,
        *,
        incident: bool = False,
        empty: bool = False,
        name: str = "gpt-4.1",
        until: float = AT,
        agent: str = "",
        circles: bool = False,
    ) -> None:
        self.random = Random(4)
        self.name = name
        self.until = until
        self.store = Store(Config(metric_labels=("tenant",), service_name="checkout", budget_daily=400.0))
        if not empty:
            self._live(incident=incident)
        if agent:
            self._work(agent, circles=circles)
            self.store.judge(self.until)
            self.until += 330  # as long as an agent's failures last before they are a warning

    def _live(self, *, incident: bool) -> None:
        start = self.until - 3600
        moments = sorted(
            (start + number * every + 0.37 * place, place)
            for place, (_, _, every, *_) in enumerate(MODELS)
            for number in range(int(3600 / every))
        )
        judged = start
        failing = 0
        for at, place in moments:
            while at >= judged:
                self.store.judge(judged)
                judged += 30.0
            bad = incident and place == 0 and at > self.until - 1260
            failing += bad
            self._call(place, at, failed=bad and failing % 5 < 3)
        self.store.apply(Event("otel_llm_circuit_breaker_state", self.until - 600, ("openai", "closed"), 1.0))
        self.store.judge(self.until)

    def _work(self, agent: str, *, circles: bool) -> None:
        for number in range(60):
            at, error = self.until - 1200 + 20 * number, "timeout" if number % 3 == 0 else ""
            tool = f"search of {agent}"
            for event in (
                Event("gen_ai_invoke_agent_duration_seconds", at, (agent, error), 9.0),
                Event("gen_ai_execute_tool_duration_seconds", at, (tool, "function", agent, error), 0.4),
                Event("otel_llm_agent_cost_usd_total", at, (agent, "openai", "gpt-5-mini"), 0.05),
                Event("otel_llm_run_cost_usd", at, (agent,), 0.05),
                Event("otel_llm_tool_repeats_total", at, (agent, tool), float(circles)),
            ):
                self.store.apply(event)

    def _call(self, place: int, at: float, *, failed: bool) -> None:
        provider, model, _, seconds, cost, output = MODELS[place]
        model = self.name if place == 0 else model
        spread = self.random.lognormvariate(0, 0.3)
        tenant = self.random.choices(["acme", "globex", "initech"], [6, 3, 1])[0]
        plain = {
            "at": at, "provider": provider, "request_model": model, "operation": "chat" if output else "embeddings",
            "response_model": model, "server_address": "api.example.test", "labels": (tenant,),
        }  # fmt: skip
        if failed:
            trace = f"{self.random.getrandbits(128):032x}"
            self.store.apply(
                Observation(**plain, error_type="rate_limit", duration=0.3, trace_id=trace, failure=(429, "/chat"))
            )
            labels = ("anthropic", "claude-haiku-4-5", "chat", model, "claude-haiku-4-5", "rate_limit", tenant)
            self.store.apply(Event("otel_llm_fallbacks_total", at, labels, 1.0))
        else:
            self.store.apply(
                Observation(
                    **plain, error_type="", duration=seconds * spread, stream=True, first_chunk=seconds / 4, input_tokens=900,
                    output_tokens=None if output is None else int(output * spread), cost=cost * spread, cost_source="prices",
                    finish_reasons=("stop",),
                )
            )  # fmt: skip
        if place == 0:
            left = 0.0 if failed else 60.0
            for kind, value in (("limit", 100.0), ("remaining", left)):
                self.store.apply(Event(f"otel_llm_rate_limit_{kind}", at, (provider, model, "chat", "requests"), value))

    def facts(self) -> dict:
        """``/status.json`` at ``AT``."""
        return self.store.status(
            self.until, {"workers": 4, "exited": 0, "instances": 1, "started": "2026-11-26T08:04:31Z"}
        )


def renamed(facts, name):
    """The same facts of a model with another name."""
    if isinstance(facts, dict):
        return {key: renamed(value, name) for key, value in facts.items()}
    if isinstance(facts, list):
        return [renamed(value, name) for value in facts]
    return facts.replace("gpt-4.1", name) if isinstance(facts, str) else facts
