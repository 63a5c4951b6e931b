"""Tokens and output quality: how much goes in and out, and whether the model has got worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_llm.ops import recorded
from otel_llm.ops.rules import FILTERED, TRUNCATED

from .model import CLEAR, NEUTRAL, WARN, Board, Panel, Query, Row
from .parts import (
    BY_MODEL,
    BY_SERVICE,
    COUNT,
    MODEL,
    OK,
    OUTPUT,
    PM,
    SHARE,
    TOKEN_RATE,
    TOKENS,
    WHO,
    WINDOW,
    calls_to_click,
    changed,
    heat,
    length_limits,
    lines,
    stat,
)
from .queries import Queries, extreme, most, ratio, share, split

if TYPE_CHECKING:
    from otel_llm.core.objectives import Objectives

# A panel is a paragraph: what it is, what it asks, what it says.
# fmt: off

DESCRIPTION = (
    "Tokens in and out, thinking and cached ones, and the shape of answers: length, spread, what ended them. A model that "
    "degrades shows here first. The recording rules add the daily averages and bands that the alerts judge by."
)
USAGE = "gen_ai_client_inference_usage_"
NO_USAGE = "No call with usage in this time range"
NO_BASELINE = "Under 20 calls: no baseline yet"


def board(q: Queries, o: Objectives) -> Board:
    rows = (
        Row("How much goes in and out?", (*_now(q, o), *_amounts(q))),
        Row("Has the model got worse?", (*_length(q, o), *_ends(q, o))),
        Row("How much of it is thinking?", _thinking(q), folded=True),
    )
    return Board("otel-llm-tokens", "LLM / Tokens and output quality", DESCRIPTION, rows)


def _now(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    def mean(key: str, title: str, kind: str) -> Panel:
        now = () if q.rules else (f"max ({q.select('otel_llm_tokens_per_request', gen_ai_token_type=kind)})",)
        return stat(
            key, title, TOKENS, Query(q.first(q.mean(kind), *now), kind),
            f"Mean {kind} tokens of a successful call, all picked models together.", base=NEUTRAL,
        )

    change = extreme(changed(q, WHO))
    return (
        mean("in", "Input per call", "input"),
        mean("out", "Output per call", "output"),
        stat(
            "thinking_share", "Thinking, of output", SHARE, Query(_part(q, "reasoning_output", "output"), "thinking"),
            "Share of output tokens that nobody reads: the model's thinking.", base=NEUTRAL, decimals=0,
        ),
        stat(
            "cached_share", "Cached, of input", SHARE, Query(_part(q, "cache_read_input", "input"), "cached"),
            "Share of input tokens that the provider read from its prompt cache, at a fraction of the price.",
            base=NEUTRAL, decimals=0,
        ),
        stat(
            "change_now", "Length vs usual", SHARE, Query(change, BY_SERVICE, instant=True),
            "Change of the mean answer against the baseline, of the model that is farthest from it.",
            base=WARN, steps=length_limits(o), empty=NO_BASELINE, decimals=0, sparkline=False,
        ),
        stat(
            "truncated", "Cut short", SHARE, Query(_ended(q, TRUNCATED), "cut short"),
            "Share of answers that ended because a limit on tokens was reached.",
            steps=((o.finish_reason_share, WARN),), decimals=1,
        ),
    )


def _part(q: Queries, part: str, whole: str) -> str:
    return share(q.rate(f"{USAGE}{part}_tokens_total"), q.rate(f"{USAGE}{whole}_tokens_total"))


def _ended(q: Queries, reasons: str, by: tuple[str, ...] = ()) -> str:
    ends = "otel_llm_finish_reasons_total"
    return share(q.rate(ends, by, finish_reason=f"=~{reasons}"), q.rate(ends, by))


def _amounts(q: Queries) -> tuple[Panel, ...]:
    kinds = (
        ("input", "input"),
        ("output", "output"),
        ("reasoning_output", "thinking (part of output)"),
        ("cache_read_input", "cache read (part of input)"),
        ("cache_write_input", "cache write (part of input)"),
    )
    queries = [Query(q.rate(f"{USAGE}{kind}_tokens_total"), legend) for kind, legend in kinds]
    by_model = most(q.rate(f"{USAGE}input_tokens_total", PM)), most(q.rate(f"{USAGE}output_tokens_total", PM))
    return (
        lines(
            "amounts", "Tokens per second", TOKEN_RATE, queries,
            "All calls together. Thinking is within output, cached within input.", low=0, empty=NO_USAGE,
        ),
        lines(
            "input_by_model", "Input by model", TOKEN_RATE, [Query(by_model[0], BY_MODEL)],
            "Input tokens per second, ten most.", low=0, stack="normal", empty=NO_USAGE,
        ),
        lines(
            "output_by_model", "Output by model", TOKEN_RATE, [Query(by_model[1], BY_MODEL)],
            "Output tokens per second, ten most.", low=0, stack="normal", empty=NO_USAGE,
        ),
    )


def _length(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    checks = "otel_llm_guardrail_checks_total"
    blocked = ratio(q.rate(checks, ("guardrail",), result="blocked"), q.rate(checks, ("guardrail",)))
    of = (*PM, "gen_ai_evaluation_name")
    scores = q.gauge("otel_llm_evaluation_mean", of) if q.rules else q.mean("otel_llm_evaluation_score", of)
    wrong = split(q.rate("otel_llm_answer_problems_total", ("kind",)), q.rate("duration", **OK))
    mean = q.pick(q.rule(recorded.OUTPUT_TOKENS), q.mean("output", PM))
    spread = q.rule(recorded.OUTPUT_VARIATION) if q.rules else ratio(
        q.gauge("otel_llm_output_tokens_stddev", by=PM), q.gauge("otel_llm_tokens_per_request", by=PM, **OUTPUT)
    )
    return (
        lines(
            "problems", "Answers that went wrong", SHARE,
            [Query(wrong, "{{kind}}"), Query(blocked, "blocked by {{guardrail}}")],
            "Share of successful calls whose answer is a refusal, empty, cut off, filtered, no JSON though JSON was asked for, or calls a "
            "tool wrongly; and the share of checks that each guardrail blocks.", low=0, empty="No answer went wrong",
        ),
        lines(
            "evaluations", "Scores of evaluations", COUNT, [
                Query(scores, "{{gen_ai_evaluation_name}} {{gen_ai_request_model}}", exemplar=not q.rules),
                *calls_to_click(q, "otel_llm_evaluation_score"),
            ],
            "Mean over otel-llm's window, on each evaluation's own scale; LLMEvaluationDrop judges how unusual it is.",
            empty="No evaluation is recorded (otel_llm.record_evaluation)",
        ),
        lines(
            "mean_length", "Mean answer by model", TOKENS, [Query(most(mean), BY_MODEL)],
            "Mean output tokens of a successful call, ten longest.", low=0, empty=NO_USAGE,
        ),
        lines(
            "change", "Change against the baseline", SHARE, [Query(extreme(changed(q, PM), 10), BY_MODEL)],
            f"How much longer or shorter the mean answer is than its daily average (recording rules) or otel-llm's own baseline. Alerts at "
            f"{-o.output_drop:.0%} and {o.output_tokens_factor - 1:+.0%}.",
            steps=((-o.output_drop, WARN), (o.output_tokens_factor - 1, WARN)), empty=NO_BASELINE, decimals=0,
        ),
        lines(
            "spread", "Spread of answers", SHARE,
            [Query(most(spread), BY_MODEL)],
            "Standard deviation of the length over its mean: a model that rambles or refuses gets a wider spread. "
            f"The alert fires at {o.output_variance_factor:g} times a model's own daily average.", low=0,
            empty=NO_USAGE,
        ),
    )


def _ends(q: Queries, o: Objectives) -> tuple[Panel, ...]:
    reasons = split(
        q.rate("otel_llm_finish_reasons_total", ("finish_reason",)), q.rate("otel_llm_finish_reasons_total")
    )
    return (
        heat(
            "length_heatmap", "How long answers are", TOKENS, q.buckets("output"), "Successful calls by output tokens.",
            empty=NO_USAGE,
        ),
        lines(
            "reasons", "What ended answers", SHARE, [Query(reasons, "{{finish_reason}}")],
            "Share of answers by finish reason; length means cut short, content_filter means withheld by a filter.", low=0, high=1,
            stack="normal", empty="No answer in this time range",
        ),
        lines(
            "bad_ends", "Cut short or filtered, by model", SHARE, _bad_ends(q),
            "Share of a model's answers that a limit or a filter ended. The alert compares with a model's own day, and never "
            "fires below the dashed line.", low=0, base=CLEAR, steps=((o.finish_reason_share, WARN),),
            empty="No answer was cut short or filtered",
        ),
    )


def _bad_ends(q: Queries) -> list[Query]:
    kinds = (("length", TRUNCATED, "cut short"), ("content_filter", FILTERED, "filtered"))
    return [
        Query(
            most(f"({q.pick(q.rule(recorded.FINISH_REASONS, finish_reason=name), _ended(q, reasons, PM))}) > 0", 5),
            f"{word} · {{{{gen_ai_request_model}}}}",
        )
        for name, reasons, word in kinds
    ]


def _window(q: Queries) -> tuple[Panel, ...]:
    """What there is after one scrape, where no rules are."""
    if q.rules:
        return ()
    rates = [Query(q.gauge("otel_llm_tokens_per_second", ("gen_ai_token_type",)), "{{gen_ai_token_type}}")]
    return (lines("window_rates", "Tokens per second of the window", TOKEN_RATE, rates, WINDOW, width=6, low=0, empty=NO_USAGE),)


def _thinking(q: Queries) -> tuple[Panel, ...]:
    levels = [
        Query(q.quantile(level, "otel_llm_thinking_tokens"), name)
        for level, name in ((0.99, "p99"), (0.95, "p95"), (0.5, "p50"))
    ]
    mean = most(q.mean("otel_llm_thinking_tokens", PM))
    modality = q.rate(f"{USAGE}input_tokens_total", ("gen_ai_token_modality",))
    none = "No call with thinking in this time range"
    return (
        lines(
            "thinking_levels", "Thinking tokens per call", TOKENS, levels, "Percentiles of thinking tokens.", width=6,
            low=0, empty=none,
        ),
        lines(
            "thinking_by_model", "Mean thinking by model", TOKENS, [Query(mean, MODEL)], "Ten models that think most.",
            width=6, low=0, empty=none,
        ),
        *_window(q),
        lines(
            "modality", "Input by modality", TOKEN_RATE, [Query(modality, "{{gen_ai_token_modality}}")],
            "Text, image and audio, where the provider splits; unknown where it does not.", width=6, low=0,
            stack="normal", empty=NO_USAGE,
        ),
    )
