"""The calls of a service in PromQL: one way to ask for both vocabularies of the conventions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_llm.core import objectives
from otel_llm.core.catalogue import BY_NAME
from otel_llm.core.metric import Metric

from .series import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

CLASSIC = Reading()
SUCCEEDED = ""
FAILED = "!~|" + "|".join(objectives.CALLER_ENDED)


@dataclass(frozen=True, slots=True)
class Clock:
    """Durations of rules. ``scale`` divides them all, so that a test sees in seconds what takes hours."""

    scale: float = 1.0

    def text(self, seconds: float) -> str:
        """A duration as PromQL and the rule files write it, at least a second."""
        return objectives.duration(self.seconds(seconds))

    def seconds(self, seconds: float) -> float:
        """How long ``seconds`` are on this clock."""
        return max(1.0, seconds / self.scale)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The metrics of calls, chunks and tokens under one ``OTEL_LLM_SEMCONV``."""

    name: str
    durations: tuple[Metric, ...]
    first_chunk: Metric
    per_chunk: Metric
    input_tokens: tuple[Metric, dict[str, str]]
    output_tokens: tuple[Metric, dict[str, str]]


def fresh(metric: Metric, over: str, seconds: float, **where: str) -> str:
    """Events per second of a counter, those before the first scrape of a new series included.

    ``rate`` does not see what a series was born with. All that it shows counts if the series is younger than ``over`` and its
    target is not: nobody else can have counted it before. Of a target that is as young, if its counters have begun within
    ``over``; else the Prometheus is new, and the count may be old.
    """
    series = metric.selector(**where)
    info, start = BY_NAME["otel_llm_build_info"].name, BY_NAME["otel_llm_start_time_seconds"].name
    return (
        f"\n  (last_over_time({series}[{over}]) unless {series} offset {over})\n"
        f"    / {seconds:g} and on (job, instance) ({info} offset {over} or last_over_time({start}[{over}]) > time() - {seconds:g})\n"
        f"  or\n  rate({series}[{over}])\n"
    )


def unless_counted(read: Reading, durations: Iterable[Metric], over: str, seconds: float, by: Iterable[str]) -> str:
    """Calls per second of targets that do not show ``otel_llm_calls_total``: other packages that follow the conventions.

    A series that was not there ``over`` ago counts in full, if its target had others then.
    """
    rates = []
    for metric in durations:
        count = read.selector(metric, "_count")
        young = f"({count} unless {count} offset {over} and on (job, instance) {count} offset {over})"
        rates.append(f"{read.part('_count', young)} / {seconds:g}\n  or\n  {read.over('rate', metric, '_count', over)}")
    counted = BY_NAME["otel_llm_calls_total"].name
    every = "\n  or\n  ".join(rates)
    return f"sum by ({', '.join(by)}) (\n  ({every})\n  unless on (job, instance) {counted}\n)"


def born(metric: Metric, over: str, by: Iterable[str], read: Reading = CLASSIC, **where: str) -> str:
    """How much a counter (or the count of a histogram) rose, its birth at more than zero included.

    ``increase`` does not see the step from absent to 1. A series that was not there ``over`` ago counts in full, unless its
    target was not scraped then: the Prometheus or the target is new, and the count may be old.
    """
    suffix = "_count" if metric.kind == "histogram" else ""
    series = read.selector(metric, suffix, **where)
    targets = f"on (job, instance) ({BY_NAME['otel_llm_build_info'].name} offset {over})"
    names = ", ".join(by)
    return (
        f"sum by ({names}) (\n"
        f"  {read.over('increase', metric, suffix, over, **where)} > 0\n"
        f"  or\n"
        f"  {read.part(suffix, f'({series} unless {series} offset {over} and {targets})')} > 0\n"
        f")"
    )


def fell_back(away: str, calls: str, service: str = "") -> str:
    """The share of a model's calls that fell back from it, of fallbacks by ``from_model`` and calls by provider and model.

    The labels of a fallback name the model that served it. What fell back from a model that is not called at all (a breaker
    refuses it, a router has a name of its own for it) is a share of all calls, without a provider.
    """
    model = f"{service}, gen_ai_request_model" if service else "gen_ai_request_model"
    match = f"on ({model}) group_left ()"
    of_model = f'sum by ({model}) (label_replace({away}, "gen_ai_request_model", "$1", "from_model", "(.+)"))'
    whole = f"sum by ({service}) ({calls})" if service else f"sum ({calls})"
    return (
        f"clamp_max(\n  (\n    0 * {calls} + {match}\n    {of_model}\n    or\n    0 * {calls}\n  )\n  / {match}\n"
        f"  (sum by ({model}) ({calls}) > 0),\n  1\n)\nor\n"
        f"({of_model} unless on ({model}) ({calls} > 0))\n/ on ({service}) group_left ()\n({whole} > 0)"
    )


def one_line(expr: str) -> str:
    """``expr`` without its line breaks."""
    return " ".join(expr.split())


def _released() -> Vocabulary:
    tokens = BY_NAME["gen_ai_client_token_usage"]
    return Vocabulary(
        "released",
        (BY_NAME["gen_ai_client_operation_duration_seconds"],),
        BY_NAME["gen_ai_client_operation_time_to_first_chunk_seconds"],
        BY_NAME["gen_ai_client_operation_time_per_output_chunk_seconds"],
        (tokens, {"gen_ai_token_type": "input"}),
        (tokens, {"gen_ai_token_type": "output"}),
    )


def _latest() -> Vocabulary:
    return Vocabulary(
        "latest",
        (BY_NAME["gen_ai_client_inference_duration_seconds"], BY_NAME["gen_ai_client_embeddings_duration_seconds"]),
        BY_NAME["gen_ai_client_inference_time_to_first_chunk_seconds"],
        BY_NAME["gen_ai_client_inference_time_per_output_chunk_seconds"],
        (BY_NAME["gen_ai_client_inference_operation_input_tokens"], {}),
        (BY_NAME["gen_ai_client_inference_operation_output_tokens"], {}),
    )


RELEASED = _released()
LATEST = _latest()
VOCABULARIES = {vocabulary.name: vocabulary for vocabulary in (RELEASED, LATEST)}


def vocabulary_named(name: str) -> Vocabulary:
    """``released`` or ``latest``. Raises ValueError for another."""
    if name not in VOCABULARIES:
        raise ValueError(f"{name!r} is no vocabulary: it must be {' or '.join(VOCABULARIES)}")
    return VOCABULARIES[name]
