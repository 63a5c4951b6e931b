"""Calls, their duration and their tokens: the records of five minutes that read what pods expose."""

from __future__ import annotations

from otel_llm.core import objectives as normal
from otel_llm.core.catalogue import BY_NAME
from otel_llm.ops import recorded
from otel_llm.ops.promql import FAILED, SUCCEEDED, fresh, unless_counted

from .made import Context, Recording, ratio, summed

# What providers call an answer that hit its limit, and one that was withheld.
TRUNCATED = "(?i)length|max_(output_|completion_)?tokens|model_context_window_exceeded"
FILTERED = "(?i)content_filter(ed)?|refusal|safety|prohibited_content|blocklist|recitation|spii|guardrail_intervened"
_PM = recorded.PROVIDER_MODEL
_OF_CALL = (*_PM, "gen_ai_operation_name", "error_type")
_OF_TARGET = ("instance", "pod")
_QUANTILES = ("0.5", "0.95", "0.99")
_USAGE = "gen_ai_client_inference_usage_"
_KINDS = {
    "input": "input_tokens", "output": "output_tokens", "cache_read": "cache_read_input_tokens",
    "cache_write": "cache_write_input_tokens", "thinking": "reasoning_output_tokens",
}  # fmt: skip


def calls(it: Context) -> list[Recording]:
    """Calls by error, and the shares that failed."""
    by_error = recorded.CALLS_BY_ERROR
    failed = _failed(by_error)
    none = f"0 * {recorded.CALLS}"
    return [
        Recording(recorded.OWN, f"count by ({it.of_service}) ({BY_NAME['otel_llm_calls_total'].name})"),
        Recording(recorded.OTHERS, _others(it)),
        Recording(recorded.EACH, counted(it, *_OF_CALL, *it.custom)),
        Recording(by_error, summed(it.by(*_PM, "error_type"), recorded.EACH)),
        Recording(recorded.CALLS, summed(it.by(*_PM), by_error)),
        Recording(recorded.FAILED_CALLS, f"{summed(it.by(*_PM), failed)}\nor\n{none}"),
        Recording(recorded.ERRORS, f"{recorded.FAILED_CALLS}\n/\n({recorded.CALLS} > 0)"),
        Recording(recorded.ERRORS_BY_TYPE, f"{failed}\n/ on ({it.model}) group_left ()\n({recorded.CALLS} > 0)"),
    ]


def _others(it: Context) -> str:
    by, short = it.by(*_OF_CALL, *it.custom, *_OF_TARGET), normal.SHORT
    return unless_counted(it.read, it.vocabulary.durations, it.over(short), it.clock.seconds(short), by)


def _failed(record: str) -> str:
    return f'{record}{{error_type{FAILED[:2]}"{FAILED[2:]}"}}'


def counted(it: Context, *labels: str) -> str:
    """Calls per second by ``otel_llm_calls_total``, and those of targets that do not show it. What reads every series of
    every pod is expensive, so few rules do: the others read their records."""
    ours = fresh(BY_NAME["otel_llm_calls_total"], it.over(normal.SHORT), it.clock.seconds(normal.SHORT))
    return summed(it.by(*labels), f"{ours}  or\n  {recorded.OTHERS}\n")


def latency(it: Context) -> list[Recording]:
    """Buckets once, and all that is made of them."""
    v = it.vocabulary
    every, fast = it.read.every(recorded.BUCKETS), it.read.up_to(it.objectives.latency_slo_threshold, recorded.BUCKETS)
    slow = f"clamp_min(\n  {every}\n  -\n  {fast},\n  0\n)"
    if it.read.native:  # a share of nothing is NaN
        slow = f"{slow} >= 0\nor\n0 * {every}"
    return [
        Recording(recorded.BUCKETS, it.added(it.by(*_PM, "le"), v.durations, "_bucket", error_type=SUCCEEDED)),
        Recording(recorded.SECONDS, it.added(it.by(*_PM), v.durations, "_sum", error_type=SUCCEEDED)),
        Recording(recorded.OK_CALLS, every),
        Recording(recorded.SLOW_CALLS, slow),
        *_quantiles(recorded.DURATION, recorded.BUCKETS),
        Recording(recorded.FIRST_CHUNK_BUCKETS, it.added(it.by(*_PM, "le"), v.first_chunk, "_bucket")),
        *_quantiles(recorded.FIRST_CHUNK, recorded.FIRST_CHUNK_BUCKETS),
    ]


def _quantiles(name: str, buckets: str) -> list[Recording]:
    # ">= 0" drops the NaN of a quantile of nothing
    return [Recording(name, f"histogram_quantile({q}, {buckets}) >= 0", {"quantile": q}) for q in _QUANTILES]


def tokens(it: Context) -> list[Recording]:
    """Tokens of all calls by kind, of successful ones as means, and what ended answers."""
    v = it.vocabulary
    rules = [
        Recording(recorded.TOKENS, it.added(it.by(*_PM), BY_NAME[f"{_USAGE}{name}_total"]), {"kind": kind})
        for kind, name in _KINDS.items()
    ]
    for (metric, where), names in (
        (v.input_tokens, (recorded.INPUT_SUM, recorded.INPUT_COUNT, recorded.INPUT_TOKENS)),
        (v.output_tokens, (recorded.OUTPUT_SUM, recorded.OUTPUT_COUNT, recorded.OUTPUT_TOKENS)),
    ):
        total, count, mean = names
        rules += [
            Recording(total, it.added(it.by(*_PM), metric, "_sum", **where)),
            Recording(count, it.added(it.by(*_PM), metric, "_count", **where)),
            Recording(mean, f"{total}\n/\n({count} > 0)"),
        ]
    medium = normal.MEDIUM
    mean = f"{it.total(recorded.OUTPUT_SUM, medium)}\n/\n({it.total(recorded.OUTPUT_COUNT, medium)} > 0)"
    cached, taken = (f'{recorded.TOKENS}{{kind="{kind}"}}' for kind in ("cache_read", "input"))
    return [
        *rules,
        Recording(recorded.OUTPUT_TOKENS_15M, mean),
        Recording(recorded.PROMPT_CACHE, f"sum without (kind) ({cached})\n/\n(sum without (kind) ({taken}) > 0)"),
        Recording(recorded.OUTPUT_VARIATION, _variation(it)),
        Recording(recorded.FINISHED, it.added(it.by(*_PM, "finish_reason"), BY_NAME["otel_llm_finish_reasons_total"])),
        *_finish_reasons(it),
    ]


def _variation(it: Context) -> str:
    spread = BY_NAME["otel_llm_output_tokens_stddev"].selector()
    middle = BY_NAME["otel_llm_tokens_per_request"].selector(gen_ai_token_type="output")  # noqa: S106 - tokens of text
    return f"avg by ({it.model}) (\n  {spread}\n  / ignoring (gen_ai_token_type)\n  ({middle} > 0)\n)"


def _finish_reasons(it: Context) -> list[Recording]:
    by, every = it.by(*_PM), it.total(recorded.FINISHED, normal.MEDIUM)

    def of(reasons: str) -> str:
        return it.total(f'{recorded.FINISHED}{{finish_reason=~"{reasons}"}}', normal.MEDIUM)

    return [
        Recording(recorded.FINISH_REASONS, ratio(summed(by, of(reasons)), summed(by, every)), {"finish_reason": name})
        for name, reasons in (("length", TRUNCATED), ("content_filter", FILTERED))
    ]


def by_part(it: Context) -> list[Recording]:
    """What boards split calls by, beside the model: instance, operation, custom labels, error, modality."""
    v, custom = it.vocabulary, it.custom
    modality = it.added(it.by("gen_ai_token_modality"), BY_NAME[f"{_USAGE}input_tokens_total"])
    output, where = v.output_tokens
    by_error, by_custom = it.by("error_type", "le"), it.by(*custom, "le")
    return [
        Recording(recorded.ENDS_BY_INSTANCE, counted(it, *_OF_TARGET, "error_type")),
        Recording(recorded.CALLS_BY_INSTANCE, summed(it.by(*_OF_TARGET), recorded.ENDS_BY_INSTANCE)),
        Recording(recorded.FAILED_BY_INSTANCE, summed(it.by(*_OF_TARGET), _failed(recorded.ENDS_BY_INSTANCE))),
        Recording(recorded.CALLS_BY_OPERATION, summed(it.by("gen_ai_operation_name"), recorded.EACH)),
        Recording(recorded.FAILED_BUCKETS, it.added(by_error, v.durations, "_bucket", error_type=FAILED)),
        Recording(recorded.CHUNK_GAP_BUCKETS, it.added(it.by("le"), v.per_chunk, "_bucket")),
        Recording(recorded.OUTPUT_BUCKETS, it.added(it.by("le"), output, "_bucket", **where)),
        Recording(recorded.THINKING_BUCKETS, it.added(it.by("le"), BY_NAME["otel_llm_thinking_tokens"], "_bucket")),
        Recording(recorded.MODALITIES, modality),
        Recording(recorded.CALLS_BY_CUSTOM, summed(it.by(*_PM, *custom), recorded.EACH)),
        Recording(recorded.CUSTOM_BUCKETS, it.added(by_custom, v.durations, "_bucket", error_type=SUCCEEDED)),
    ]
