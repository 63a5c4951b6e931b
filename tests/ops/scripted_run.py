"""A service's day in one script: calls, events and troubles that exercise every metric of the catalogue.

`scrapes()` drives the real store and the real text format on a clock of its own, and yields what each scrape shows.
`openmetrics()` puts times on those samples, so that `promtool tsdb create-blocks-from openmetrics` can load hours of it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from otel_llm.aggregate import Store
from otel_llm.aggregate.window import Budget
from otel_llm.cluster.text import render
from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.config import Config
from otel_llm.core.model import Event, Observation, Record
from otel_llm.core.series import DURATION_BUCKETS

JOB, INSTANCE = "shop", "shop-1:9464"
TENANTS = ("acme", "globex", "initech")
ROUTES = ("/chat", "/search", "/summarise", "/tickets/{id}")
BUDGETS = (Budget("globex", (("tenant", "globex"),), daily=70.0, monthly=1800.0),)


@dataclass(frozen=True)
class Model:
    """How one model behaves on a good day. Prices are US dollars for a million tokens; None is a model without a price."""

    provider: str
    name: str
    server: str
    pace: float  # calls per second
    seconds: float  # median duration
    tokens_in: int
    tokens_out: int
    prices: tuple[float, float] | None
    operation: str = "chat"
    stream: bool = True
    thinking: float = 0.0  # share of output
    cached: float = 0.0  # share of input


MODELS = (
    Model("openai", "gpt-5-mini", "api.openai.com", 0.45, 2.1, 1400, 320, (0.25, 2.0), cached=0.5),
    Model("openai", "gpt-5", "api.openai.com", 0.12, 6.5, 2600, 700, (1.25, 10.0), thinking=0.45, cached=0.3),
    Model("anthropic", "claude-sonnet-4-5", "api.anthropic.com", 0.25, 4.4, 3100, 480, (3.0, 15.0), thinking=0.25, cached=0.6),
    Model("gcp.gemini", "gemini-2.5-flash", "generativelanguage.googleapis.com", 0.3, 1.4, 900, 260, (0.3, 2.5)),
    Model("azure.ai.openai", "gpt-4o", "shop.openai.azure.com", 0.08, 3.0, 1100, 290, (2.5, 10.0), stream=False),
    Model("ollama", "llama3.3", "localhost", 0.05, 7.5, 700, 210, None),
    Model("openai", "text-embedding-3-small", "api.openai.com", 0.35, 0.18, 380, 0, (0.02, 0.0), "embeddings", stream=False),
)  # fmt: skip


@dataclass(frozen=True)
class Story:
    """When things go wrong, as parts of the run (0 is its beginning, 1 its end)."""

    slow: tuple[float, float] = (0.30, 0.34)  # gpt-5 becomes slow
    outage: tuple[float, float] = (0.66, 0.70)  # Anthropic is overloaded
    dear: tuple[float, float] = (0.953, 1.01)  # globex asks for long answers
    terse: tuple[float, float] = (0.965, 1.01)  # Gemini's answers get short
    traffic: float = 1.0  # times every model's pace


OF_RUNS = {  # what frameworks, evaluators and guardrails report, and its values
    "gen_ai_invoke_agent_inference_calls": 2.0, "gen_ai_invoke_agent_tool_calls": 1.0, "gen_ai_invoke_workflow_duration_seconds": 9.0,
    "mcp_client_operation_duration_seconds": 0.4, "mcp_client_session_duration_seconds": 60.0,
    "mcp_server_operation_duration_seconds": 0.4, "mcp_server_session_duration_seconds": 60.0,
    "otel_llm_duplicate_spans_total": 1.0, "otel_llm_retrieval_documents": 4.0, "otel_llm_retrieval_duration_seconds": 0.2,
    "otel_llm_run_cost_usd": 0.02, "otel_llm_conversation_turns": 3.0, "otel_llm_conversation_cost_usd": 0.06,
    "otel_llm_evaluations_total": 1.0, "otel_llm_guardrail_duration_seconds": 0.1,
}  # fmt: skip


@dataclass
class Script:
    """The run from ``begin`` for ``length`` seconds, always the same for the same ``seed``."""

    begin: float
    length: float
    story: Story = field(default_factory=Story)
    seed: int = 20261121

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._breaker = "closed"
        self._label = 0  # of made-up routes

    def records(self, since: float, until: float) -> list[Record]:
        """What happens from ``since`` to ``until``, in order."""
        found: list[Record] = []
        for model in MODELS:
            rhythm = 1 + 0.25 * math.sin(2 * math.pi * self._part(since))
            for at in self._arrivals(model.pace * rhythm * self.story.traffic, since, until):
                found += self._call(model, at)
        found += self._surroundings(since, until)
        return sorted(found, key=lambda record: record.at)

    def _part(self, at: float) -> float:
        return (at - self.begin) / self.length

    def _in(self, span: tuple[float, float], at: float) -> bool:
        return span[0] <= self._part(at) < span[1]

    def _arrivals(self, pace: float, since: float, until: float) -> Iterator[float]:
        at = since + self._dice.expovariate(pace)
        while at < until:
            yield at
            at += self._dice.expovariate(pace)

    def _call(self, model: Model, at: float) -> list[Record]:
        tenant = self._dice.choices(TENANTS, (5, 3, 2))[0]
        trouble = self._trouble(model, at)
        if trouble:
            return self._failed(model, at, tenant, trouble)
        call = self._answered(model, at, tenant)
        return [call, *self._beside(model, call)]

    def _trouble(self, model: Model, at: float) -> str:
        dice = self._dice.random()
        if model.provider == "anthropic" and self._in(self.story.outage, at):
            return "overloaded" if dice < 0.4 else "timeout" if dice < 0.48 else ""
        if dice < 0.004:
            return self._dice.choice(("rate_limit", "server_error", "timeout", "invalid_request", "content_filter"))
        return "cancelled" if dice < 0.006 else ""

    def _failed(self, model: Model, at: float, tenant: str, error: str) -> list[Record]:
        seconds = 30.0 + self._dice.random() if error == "timeout" else 0.2 + self._dice.random()
        call = Observation(
            at, model.provider, model.name, model.operation, "", model.server, error, seconds, (tenant,),
            stream=model.stream, trace_id=self._hex(32), span_id=self._hex(16),
        )  # fmt: skip
        three = (model.provider, model.name, model.operation)
        retried = [
            Event("otel_llm_retries_total", at, (*three, error, tenant), 2.0),
            Event("otel_llm_retry_wait_seconds_total", at, (*three, error, tenant), 3.1),
        ]
        if model.provider != "anthropic" or error == "cancelled":
            return [call, *retried]
        other = replace(MODELS[1], pace=0)
        away = Event("otel_llm_fallbacks_total", at, (*three, model.name, other.name, error, tenant))
        return [call, *retried, away, self._answered(other, at + 1, tenant)]

    def _answered(self, model: Model, at: float, tenant: str) -> Observation:
        seconds = model.seconds * self._dice.lognormvariate(0, 0.45) * (9 if self._slow(model, at) else 1)
        length = model.tokens_out * self._dice.lognormvariate(0, 0.35) * self._length(model, at, tenant)
        tokens_in, tokens_out = int(model.tokens_in * self._dice.lognormvariate(0, 0.3)), int(length)
        call = Observation(
            at, model.provider, model.name, model.operation, model.name, model.server, "", seconds, (tenant,),
            stream=model.stream, trace_id=self._hex(32), span_id=self._hex(16),
        )  # fmt: skip
        if model.provider == "ollama" and self._dice.random() < 0.3:
            return call._replace(
                usage_unknown="stream_without_usage", finish_reasons=("stop",), **self._pace(seconds, tokens_out)
            )
        call = call._replace(
            input_tokens=tokens_in, output_tokens=tokens_out if model.tokens_out else None,
            modalities=(("input", "text", tokens_in), *((("output", "text", tokens_out),) if model.tokens_out else ())),
            **(self._pace(seconds, tokens_out) if model.stream else {}),
        )  # fmt: skip
        return self._priced(model, self._parts(model, call))

    def _slow(self, model: Model, at: float) -> bool:
        return model.name == "gpt-5" and self._in(self.story.slow, at)

    def _length(self, model: Model, at: float, tenant: str) -> float:
        if model.name == "gpt-5-mini" and tenant == "globex" and self._in(self.story.dear, at):
            return 14.0
        return 0.5 if model.provider == "gcp.gemini" and self._in(self.story.terse, at) else 1.0

    def _parts(self, model: Model, call: Observation) -> Observation:
        tokens_in, tokens_out = call.input_tokens or 0, call.output_tokens or 0
        if model.operation == "embeddings":
            return call
        reasons = self._dice.choices(("stop", "length", "tool_calls", "content_filter"), (86, 3, 10, 1))[0]
        return call._replace(
            finish_reasons=(reasons,),
            thinking_tokens=int(tokens_out * model.thinking) if model.thinking else None,
            cache_read_tokens=int(tokens_in * model.cached * self._dice.random() * 1.4) if model.cached else None,
            cache_write_tokens=int(tokens_in * 0.05) if model.provider == "anthropic" else None,
        )  # fmt: skip

    def _priced(self, model: Model, call: Observation) -> Observation:
        if model.prices is None:
            return call._replace(cost_source="unpriced")
        low, high = model.prices
        cached = call.cache_read_tokens or 0
        cost = ((call.input_tokens or 0) - 0.9 * cached) * low / 1e6 + (call.output_tokens or 0) * high / 1e6
        lacks = {"fees": (("web_search", 1.0),), "incomplete": ("web_search",)} if cached else {}
        missed = {} if cached else {"cache_miss": "expired", "cost_avoidable": 1e-4}
        return call._replace(cost=cost, cost_source="prices", cost_saved=0.9 * cached * low / 1e6, **lacks, **missed)

    def _pace(self, seconds: float, tokens: int) -> dict[str, Any]:
        chunks = max(1, tokens // 4)
        first = seconds * (0.15 + 0.2 * self._dice.random())
        gap = (seconds - first) / chunks
        bucket = sum(bound < gap for bound in DURATION_BUCKETS)
        return {
            "first_chunk": first,
            "chunk_gaps": ((bucket, chunks - 1), (bucket + 1, 1)),
            "chunk_gap_sum": seconds - first,
        }

    def _beside(self, model: Model, call: Observation) -> list[Record]:
        three, labels, at = (model.provider, model.name, model.operation), call.labels, call.at
        limit, left = 60_000.0, 60_000.0 * (0.06 if self._slow(model, at) else 0.55 + 0.3 * self._dice.random())
        found: list[Record] = [
            Event("otel_llm_rate_limit_limit", at, (*three, "tokens"), limit),
            Event("otel_llm_rate_limit_remaining", at, (*three, "tokens"), left),
        ]
        if model.stream:
            result = "hit" if self._dice.random() < 0.62 else "miss"
            found.append(Event("otel_llm_cache_requests_total", at, (*three, "answers", result, *labels)))
        if call.cost is not None and self._dice.random() < 0.5:
            route = self._dice.choices(ROUTES, (6, 3, 2, 1))[0]
            found.append(Event("otel_llm_http_request_cost_usd", at, (route, *labels), call.cost * 1.6, call.trace_id))
        return found

    def _surroundings(self, since: float, until: float) -> list[Record]:
        found: list[Record] = self._breakers(since)
        for library, version in (("openai", "2.8.0"), ("anthropic", "0.75.0"), ("google-genai", "1.50.0")):
            found.append(Event("otel_llm_instrumented", since, (library, version), 1.0))
        found += [
            Event("otel_llm_gateway_requests_total", since, ("traces", "accepted"), 2.0),
            Event("otel_llm_gateway_spans_total", since, ("counted",), 40.0),
            Event("otel_llm_gateway_ignored_spans_total", since, ("some.library",), 1.0),
            Event("otel_llm_gateway_held_calls", since, (), 12.0),
            Event("otel_llm_backlog_bytes", since, (), 0.0),
        ]
        for state, count in (
            ("live", 3.0 if self._part(since) < 0.5 else 4.0),
            ("exited", 0.0 if self._part(since) < 0.5 else 1.0),
        ):
            found.append(Event("otel_llm_processes", since, (state,), count))
        if 0.76 <= self._part(since) < 0.80:
            for _ in range(12):  # somebody crawls, and every address becomes a route
                self._label += 1
                found.append(
                    Event("otel_llm_http_request_cost_usd", since, (f"/archive/{self._label}", "initech"), 2e-5)
                )
        tool = ("search", "function", "support")
        found += [
            Event("gen_ai_execute_tool_duration_seconds", since, (*tool, error), 0.4) for error in ("", "", "timeout")
        ]
        found += [
            Event("gen_ai_invoke_agent_duration_seconds", since, ("support", error), 9.0) for error in ("", "timeout")
        ]
        found.append(Event("otel_llm_tool_repeats_total", since, ("support", "search")))
        found += [
            Event(
                "otel_llm_evaluation_score",
                since + step,
                ("openai", "gpt-5", "faithfulness", "acme"),
                self._dice.random(),
            )
            for step in range(10)
        ]
        found += [
            Event("otel_llm_guardrail_checks_total", since, ("aws.bedrock", "nova", "pii", result, "acme"))
            for result in ("passed", "passed", "blocked")
        ]
        found += [
            Event("otel_llm_answer_problems_total", since, ("openai", "gpt-5", "chat", kind, "acme"))
            for kind in ("refusal", "invalid_json", "unknown_tool")
        ]
        found += [
            Event("otel_llm_budget_decisions_total", since, (budget, decision), count)
            for budget, decision, count in (
                ("", "allowed", 9.0),
                ("globex", "refused", 1.0),
                ("nightly", "switched", 1.0),
            )
        ]
        found += [
            Event(name, since, tuple("support" for _ in BY_NAME[name].labels), value) for name, value in OF_RUNS.items()
        ]
        if self._part(since) <= 0.45 < self._part(until):
            found.append(Event("otel_llm_internal_errors_total", since, ("reader",)))
        return found

    def _breakers(self, since: float) -> list[Record]:
        inside = self._part(since) - self.story.outage[0]
        span = self.story.outage[1] - self.story.outage[0]
        where = inside / span
        wanted = "closed" if not 0.1 < where < 1.1 else "half_open" if int(where * 10) in (4, 7, 10) else "open"
        found: list[Record] = [
            Event("otel_llm_circuit_breaker_state", since, ("anthropic", wanted)),
            Event("otel_llm_circuit_breaker_state", since, ("openai", "closed")),
        ]
        if wanted != self._breaker:
            found.append(
                Event("otel_llm_circuit_breaker_transitions_total", since, ("anthropic", self._breaker, wanted))
            )
            self._breaker = wanted
        return found

    def _hex(self, digits: int) -> str:
        return f"{self._dice.getrandbits(4 * digits):0{digits}x}"


def config(**more: Any) -> Config:
    """The settings of the scripted service."""
    given: dict[str, Any] = {
        "metric_labels": ("tenant",),
        "budget_daily": 260.0,
        "budget_monthly": 6000.0,
        "max_label_values": 12,
        **more,
    }
    return Config(**given)


def store(**more: Any) -> Store:
    return Store(config(**more), budgets=BUDGETS, price_date=lambda: 0.0)


def scrapes(script: Script, kept: Store, step: float = 30.0) -> Iterator[tuple[float, str]]:
    """The time and the OpenMetrics text (without its end mark) of each scrape of the run."""
    at = script.begin
    for name, labels in ZEROS:
        kept.create(name, labels)
    while at < script.begin + script.length:
        for record in script.records(at, at + step):
            kept.apply(record)
        at += step
        kept.set_process(
            1,
            {
                ("openai", "gpt-5", "chat"): 2 + int(at) % 3,
                ("anthropic", "claude-sonnet-4-5", "chat"): 1 + int(at / 60) % 4,
            },
        )
        kept.scraped(0.004 + 0.001 * math.sin(at / 600))
        yield at, render(kept.views(at), kept.lock, openmetrics=True).decode()


ZEROS = (
    (
        "otel_llm_fallbacks_total",
        ("anthropic", "claude-sonnet-4-5", "chat", "claude-sonnet-4-5", "gpt-5", "overloaded", "acme"),
    ),
    ("otel_llm_internal_errors_total", ("reader",)),
)


def openmetrics(scraped: Iterator[tuple[float, str]], job: str = JOB, instance: str = INSTANCE) -> Iterator[str]:
    """Lines that promtool can load: samples with job, instance and time, and what Prometheus adds to a scrape."""
    target = f'job="{job}",instance="{instance}"'
    for at, text in scraped:
        for line in text.splitlines():
            if not line.startswith("#"):
                yield _stamped(line.partition(" # ")[0], target, at)
        yield f"up{{{target}}} 1 {at:.3f}"
    yield "# EOF"


def _stamped(line: str, target: str, at: float) -> str:
    series, _, value = line.rpartition(" ")
    name, brace, labels = series.partition("{")
    return f"{name}{{{target}{',' + labels if brace else '}'} {value} {at:.3f}"
