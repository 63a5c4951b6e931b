"""From a finished call to metrics, written once: for the store, for OpenTelemetry's instruments, under both vocabularies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from .model import BATCH, Observation
from .semconv.table import EMBEDDINGS
from .shapes import NamedTuple

Labels = tuple[str, ...]
LabelSet = Literal["call", "wide", "ended", "outcome"]

UNKNOWN_MODALITY = "unknown"  # the modality of tokens that the provider does not split
USAGE = "gen_ai_client_inference_usage_"
_OUTCOMES = {"": "ok", "cancelled": "cancelled", "abandoned": "abandoned"}


class TokenKind(NamedTuple):
    """Tokens of one kind: where a call has them, and the counter and the histogram that show them.

    ``dotted`` is the end of the counter's name as the conventions write it. ``size`` is the histogram of tokens per successful
    call, ``token_type`` its label of that name. Kinds with a ``direction`` are split by modality where the provider does.
    """

    field: str
    dotted: str
    help: str
    size: str = ""
    token_type: str = ""
    direction: str = ""

    @property
    def part(self) -> str:
        """The end of the counter's name in Prometheus, without ``_total``."""
        return self.dotted.replace(".", "_")

    @property
    def counter(self) -> str:
        """The counter's name in Prometheus."""
        return f"{USAGE}{self.part}_total"


_SIZE = "gen_ai_client_token_usage"
TOKEN_KINDS = (
    TokenKind("input_tokens", "input_tokens", "Input tokens, cached included.", _SIZE, "input", "input"),
    TokenKind("output_tokens", "output_tokens", "Output tokens, thinking included.", _SIZE, "output", "output"),
    TokenKind("cache_read_tokens", "cache_read.input_tokens", "Input tokens read from the provider's prompt cache."),
    TokenKind("cache_write_tokens", "cache_write.input_tokens", "Input tokens written to the provider's prompt cache."),
    TokenKind(
        "thinking_tokens", "reasoning.output_tokens", "Output tokens spent on thinking.", "otel_llm_thinking_tokens"
    ),
)
"""Every kind of token. A new one is a row here, a field of Usage and Observation, and a line of the readers that know it."""


class Measure(NamedTuple):
    """A metric that takes one field of a call: its value, or for each of its words one, with the word as the last label.

    ``labels`` names the call's labels that come before ``more``. ``only`` is ``success`` where a failed call has no place in it, and
    ``timed`` where a batch has none: its answers were made before anybody looked.
    """

    metric: str
    labels: LabelSet
    field: str
    more: Labels = ()
    only: Literal["", "success", "timed"] = ""


MEASURES = (
    Measure("gen_ai_client_operation_duration_seconds", "ended", "duration", only="timed"),
    Measure("gen_ai_client_operation_time_to_first_chunk_seconds", "wide", "first_chunk"),
    *(
        Measure(kind.counter, "call", kind.field, (UNKNOWN_MODALITY,))
        for kind in TOKEN_KINDS
        if not kind.direction
    ),
    *(
        Measure(kind.size, "wide" if kind.token_type else "call", kind.field, (kind.token_type,) if kind.token_type else (), "success")
        for kind in TOKEN_KINDS
        if kind.size
    ),
)  # fmt: skip
"""What a call shows by one field; the rest (chunk gaps, tokens by modality, words, money) has code of its own."""
WORDS = (
    Measure("otel_llm_usage_unknown_total", "call", "usage_unknown"),
    Measure("otel_llm_finish_reasons_total", "call", "finish_reasons"),
    Measure("otel_llm_answer_problems_total", "call", "problems"),
)
"""Counters of words: a call has none, one, or a tuple of them."""


def outcome(error_type: str) -> str:
    """How a call ended, by its ``error_type``: ``ok``, ``failed``, or ``cancelled`` or ``abandoned`` by its caller."""
    return _OUTCOMES.get(error_type, "failed")


def takes_part(measure: Measure, operation: str, *, success: bool) -> bool:
    """Whether calls of this ``operation`` and end have a place in ``measure``."""
    return success if measure.only == "success" else not (measure.only == "timed" and operation == BATCH)


def identity(call: Observation) -> Labels:
    """What distinguishes the series of one call from those of another: provider, request model, operation, response model, server
    address, error type. Custom labels come on top."""
    return call.provider, call.request_model, call.operation, call.response_model, call.server_address, call.error_type


def label_sets(identity: Labels) -> dict[LabelSet, Labels]:
    """The labels of a call with this ``identity``, by the set that a measure names."""
    *wide, error_type = identity
    provider, model, operation, *_ = wide
    call = provider, model, operation
    return {"call": call, "wide": tuple(wide), "ended": identity, "outcome": (*call, outcome(error_type), error_type)}


def tokens_by_modality(call: Observation) -> Iterator[tuple[str, str, int]]:
    """Direction, modality and number of a call's tokens; what the provider does not split is ``unknown``. Nothing where there are none."""
    rest = {kind.direction: getattr(call, kind.field) for kind in TOKEN_KINDS if kind.direction}
    for direction, modality, tokens in call.modalities:
        yield direction, modality, tokens
        rest[direction] = (rest.get(direction) or 0) - tokens
    for direction, left in rest.items():
        if left is not None and (left > 0 or not call.modalities):
            yield direction, UNKNOWN_MODALITY, left


class Series(NamedTuple):
    """A metric's name and the values of its labels."""

    metric: str
    labels: Labels


_OPERATION, _TOKEN_TYPE = 2, 5  # where the released labels of a wide metric have them
_SAME_LABELS = {
    "gen_ai_client_operation_time_to_first_chunk_seconds": "gen_ai_client_inference_time_to_first_chunk_seconds",
    "gen_ai_client_operation_time_per_output_chunk_seconds": "gen_ai_client_inference_time_per_output_chunk_seconds",
}


def latest(name: str, labels: Labels) -> Series | None:
    """What the latest vocabulary calls a series of the released one, custom labels at the end of ``labels`` included; None
    where both call it the same."""
    if name == "gen_ai_client_operation_duration_seconds":
        what = "embeddings" if labels[_OPERATION] == EMBEDDINGS else "inference"
        return Series(f"gen_ai_client_{what}_duration_seconds", labels)
    if name == _SIZE:
        rest = labels[:_TOKEN_TYPE] + labels[_TOKEN_TYPE + 1 :]
        what = EMBEDDINGS if labels[_OPERATION] == EMBEDDINGS and labels[_TOKEN_TYPE] == "input" else "inference"
        return Series(f"gen_ai_client_{what}_operation_{labels[_TOKEN_TYPE]}_tokens", rest)
    if name in _SAME_LABELS:
        return Series(_SAME_LABELS[name], labels)
    return None
