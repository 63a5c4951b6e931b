"""Cases of alerts on what changed: two ordinary hours, then something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.generate.promtests import Case, Expected, anomaly, calls, level, means, of_model, output, pair, ramp, series

if TYPE_CHECKING:
    from otel_llm.ops.promql import Vocabulary
    from tools.generate.promtests import Series

_HISTORY = 120  # minutes of an ordinary day before something changes
_SINCE = 30  # minutes after the change


def lengths(v: Vocabulary) -> list[Case]:
    return [*_long(v), *_short(v), *_varied(v), *_alike(v)]


def prices(v: Vocabulary) -> list[Case]:
    return [*_dear(v), *_uncached(v)]


def unusual(v: Vocabulary) -> list[Case]:
    return [*_recent(v), *_shift(v)]


def answers(v: Vocabulary) -> list[Case]:
    return [*_truncated(v), *_filtered(v)]


def _changed(before: float, after: float) -> tuple[tuple[float, int], tuple[float, int]]:
    return (before, _HISTORY), (after, _SINCE)


def _long(v: Vocabulary) -> list[Case]:
    expected = of_model(
        "warning",
        "tokens",
        "long answers, 400 tokens",
        "the mean answer has 400 tokens, longer than usual",
        "the mean answer had 400 tokens, longer than usual",
    )
    return pair(
        Case(
            "LLMOutputTokensHigh", "100 tokens become 400", output(v, *_changed(100, 400)), 145, (expected,), (119, 128)
        ),
        ("100 tokens become 195", output(v, *_changed(100, 195))),
    )


def _short(v: Vocabulary) -> list[Case]:
    expected = of_model(
        "warning",
        "quality",
        "short answers, 60 tokens",
        "the mean answer has 60 tokens, shorter than usual",
        "the mean answer had 60 tokens, shorter than usual",
    )
    return pair(
        Case(
            "LLMOutputLengthDrop", "100 tokens become 60", output(v, *_changed(100, 60)), 145, (expected,), (119, 135)
        ),
        ("100 tokens become 71", output(v, *_changed(100, 71))),
    )


def _spread(v: Vocabulary, before: float, after: float) -> tuple[Series, ...]:
    """A standard deviation that changes, around a mean of 100 tokens."""
    return (
        series("otel_llm_output_tokens_stddev", level(*_changed(before, after))),
        series("otel_llm_baseline_stddev", level((before, _HISTORY + _SINCE)), signal="output_tokens"),
        series("otel_llm_baseline_mean", level((100, _HISTORY + _SINCE)), signal="output_tokens"),
        series("otel_llm_tokens_per_request", level((100, _HISTORY + _SINCE)), gen_ai_token_type="output"),  # noqa: S106 - tokens of text
        *calls(v, (60, _HISTORY + _SINCE)),
    )


def _alike(v: Vocabulary) -> list[Case]:
    words = (f"lengths of answers {verb} alike, they spread by 10 % of their mean" for verb in ("are", "were"))
    expected = of_model("warning", "quality", "answers alike, 10 % spread", *words)
    return pair(
        Case("LLMOutputVarianceDrop", "50 % of the mean become 10 %", _spread(v, 50, 10), 145, (expected,), (119, 129)),
        ("50 % of the mean become 36 %", _spread(v, 50, 36)),
    )


def _varied(v: Vocabulary) -> list[Case]:
    expected = of_model(
        "warning",
        "quality",
        "answers vary by 160 %",
        "lengths of answers spread by 160 % of their mean",
        "lengths of answers spread by 160 % of their mean",
    )
    return pair(
        Case(
            "LLMOutputVarianceHigh", "50 % of the mean become 160 %", _spread(v, 50, 160), 145, (expected,), (119, 129)
        ),
        ("50 % of the mean become 99 %", _spread(v, 50, 99)),
    )


def _dear(v: Vocabulary) -> list[Case]:
    def fed(after: float) -> tuple[Series, ...]:
        money = means("otel_llm_request_cost_usd", *_changed(0.01, after), gen_ai_operation_name="chat")
        return (*money, *calls(v, (60, _HISTORY + _SINCE)))

    expected = of_model(
        "warning",
        "cost",
        "expensive calls, $0.1000 each",
        "a call costs $0.1000 on average",
        "a call cost $0.1000 on average",
        signal="cost",
    )
    return pair(
        Case("LLMCostPerRequestHigh", "one cent becomes ten", fed(0.1), 145, (expected,), (119, 128)),
        ("one cent becomes 2.9", fed(0.029)),
    )


def _uncached(v: Vocabulary) -> list[Case]:
    def fed(after: float) -> tuple[Series, ...]:
        name = "gen_ai_client_inference_usage_{}_tokens_total"
        read = series(name.format("cache_read_input"), ramp(*_changed(6000, after)), gen_ai_token_modality="unknown")  # noqa: S106 - of text
        taken = series(name.format("input"), ramp(*_changed(10_000, 10_000)), gen_ai_token_modality="unknown")  # noqa: S106 - of text
        missed = series("otel_llm_prompt_cache_misses_total", ramp(*_changed(0, 12)), reason="tools_changed")
        return (read, taken, missed, *calls(v, (60, _HISTORY + _SINCE)))

    words = (
        f"only 20 % of input tokens {verb} from the prompt cache (mostly tools_changed)" for verb in ("come", "came")
    )
    expected = of_model("warning", "cost", "prompt cache 20 %", *words)
    return pair(
        Case("LLMPromptCacheHitRatioLow", "60 % cached become 20 %", fed(2000), 129, (expected,), (119, 123)),
        ("60 % cached become 35 %", fed(3500)),
    )


def _shift(v: Vocabulary) -> list[Case]:
    def fed(*after: tuple[float, int]) -> tuple[Series, ...]:
        # an ordinary day: 90 to 110 tokens, ten minutes each, a deviation of about 8
        waves = [(100 + 10 * (wave % 3 - 1), 10) for wave in range(12)]
        return output(v, *((value, 4 * minutes) for value, minutes in (*waves, *after)))

    def expected(severity: str, direction: str, sigmas: str) -> Expected:
        says = f"is {sigmas} standard deviations from its daily average"
        return anomaly("fleet", severity, "output_tokens", direction, says)

    # promtool evaluates groups in any order: the values stay the same to one digit a minute earlier or later
    name, constant = "LLMAnomaly", [(100 + 2 * (wave % 2), 10) for wave in range(12)]
    return [
        Case(
            name,
            "6.2 deviations below",
            fed((54.6, 20)),
            129,
            (expected("warning", "low", "-6.2"),),
            (119, 125),
            every="15s",
        ),
        Case(name, "2.6 deviations above", fed((120, 30)), 137, every="15s"),
        Case(name, "far in deviations, but a change of 9 %", output(v, *constant, (110, 20)), 137),
    ]


def _recent(_: Vocabulary) -> list[Case]:
    def fed(signal: str, *parts: tuple[float, int], kind: str = "shift") -> tuple[Series, ...]:
        return (series("otel_llm_zscore", level((0, 5), *parts, (0, 10)), signal=signal, kind=kind),)

    def expected(severity: str, signal: str, direction: str, value: str, **more: str) -> Expected:
        says = f"is {value} standard errors from what is usual for this service"
        return anomaly("recent", severity, signal, direction, says, **more)

    name, grave = "LLMAnomaly", {"size": "grave"}
    both = (expected("critical", "latency", "high", "3.2"), expected("warning", "latency", "high", "3.2"))
    slow = (expected("critical", "latency", "high", "3.2", pace="slow"), both[1])
    large = (
        expected("critical", "cost", "high", "7.0", **grave),
        expected("warning", "cost", "high", "7.0"),
    )
    return [
        Case(name, "recent calls 3.2 errors slower for 2 minutes", fed("latency", (3.2, 3)), 7, both[1:], (5, 9)),
        Case(name, "recent calls 3.2 errors slower for 6 minutes", fed("latency", (3.2, 7)), 11, both, (5, 13)),
        Case(
            name,
            "calls become 3.2 errors slower, and it is 8 minutes",
            fed("latency", (3.2, 9), kind="trend"),
            13,
            both[1:],
            (5, 15),
        ),
        Case(
            name,
            "calls become 3.2 errors slower, and it is 11 minutes",
            fed("latency", (3.2, 12), kind="trend"),
            16,
            slow,
            (5, 18),
        ),
        Case(name, "recent calls 7 errors dearer for 3 minutes", fed("cost", (7.0, 4), kind="trend"), 8, large, (5,)),
        Case(name, "recent calls 9 errors faster", fed("latency", (-9, 10)), 14),
        Case(name, "2.9 errors longer", fed("output_tokens", (2.9, 10)), 14),
        Case(
            name,
            "answers 3.5 errors shorter",
            fed("output_tokens", (-3.5, 3)),
            7,
            (expected("warning", "output_tokens", "low", "-3.5"),),
        ),
        Case(
            name,
            "more short answers never page",
            fed("output_short", (9, 8)),
            12,
            (expected("warning", "output_short", "high", "9.0", about="mix"),),
            (8,),
        ),
        Case(name, "more short answers for 4 minutes", fed("output_short", (9, 5)), 9),
    ]


def _finish(v: Vocabulary, reason: str, before: float, after: float) -> tuple[Series, ...]:
    name = "otel_llm_finish_reasons_total"
    good, bad = _changed(60 - before, 60 - after), _changed(before, after)
    return (
        series(name, ramp(*good), finish_reason="stop"),
        series(name, ramp(*bad), finish_reason=reason),
        *calls(v, (60, _HISTORY + _SINCE)),
    )


def _truncated(v: Vocabulary) -> list[Case]:
    expected = of_model(
        "warning",
        "quality",
        "answers cut off 50 %",
        "50 % of answers end at the token limit",
        "50 % of answers ended at the token limit",
        finish_reason="length",
    )
    return pair(
        Case("LLMTruncatedOutputs", "2 of 60 become 30", _finish(v, "length", 2, 30), 148, (expected,), (119, 130)),
        ("2 of 60 become 5.9", _finish(v, "length", 2, 5.9)),
        ("none of 60 become 2.9", _finish(v, "max_tokens", 0, 2.9)),
    )


def _filtered(v: Vocabulary) -> list[Case]:
    expected = of_model(
        "warning",
        "quality",
        "answers filtered 10 %",
        "10 % of answers are withheld by a filter",
        "10 % of answers were withheld by a filter",
        finish_reason="content_filter",
    )
    return pair(
        Case("LLMContentFiltered", "none of 60 become 6", _finish(v, "refusal", 0, 6), 148, (expected,), (119, 130)),
        ("none of 60 become 2.9", _finish(v, "content_filter", 0, 2.9)),
    )
