"""How many calls a sampled span stands for, as far as the sender says it."""

from __future__ import annotations

import math
from zlib import crc32

from .span import Span
from .values import number

MOST = 1000.0
"""Calls that one span may stand for. One that claims more is refused: it would be worth more than all others."""
_THRESHOLDS = 1 << 56
_PROBABILITIES = ("sampling.probability", "_dd.rule_psr", "_dd.agent_psr", "sampler.param")
_RATES = ("SampleRate", "sampling.rate", "sample_rate")


def weight(span: Span) -> float:
    """1 for a span that was not sampled, the number of calls behind it otherwise; 0 where what it says makes no sense.

    Sources: ``ot=th:`` is OpenTelemetry's probability sampling in ``tracestate``
    (https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/), ``ot=p:`` its draft before; ``SampleRate`` is
    Honeycomb's, ``_dd.*_psr`` Datadog's, ``sampler.param`` Jaeger's where ``sampler.type`` is ``probabilistic``.
    """
    if span.trace_state and "ot=" in span.trace_state:
        factor = _of_trace_state(span.trace_state)
        if factor is not None:
            return _sane(factor)
    attributes = span.attributes
    for name in _RATES:
        if (rate := number(attributes.get(name))) is not None:
            return _sane(rate)
    for name in _PROBABILITIES:
        if name == "sampler.param" and attributes.get("sampler.type") != "probabilistic":
            continue
        if (probability := number(attributes.get(name))) is not None:
            return _sane(1 / probability if probability > 0 else 0.0)
    return 1.0


def _of_trace_state(state: str) -> float | None:
    ours = next((member[3:] for member in map(str.strip, state.split(",")) if member.startswith("ot=")), "")
    parts = dict(part.partition(":")[::2] for part in ours.split(";"))
    try:
        if "th" in parts:
            digits = parts["th"]
            threshold = int(digits.ljust(14, "0"), 16) if 0 < len(digits) <= 14 else -1  # noqa: PLR2004 - 56 bits
            return _THRESHOLDS / (_THRESHOLDS - threshold) if 0 <= threshold < _THRESHOLDS else 0.0
        if "p" in parts:
            power = int(parts["p"])
            return float(2**power) if 0 <= power < 63 else 0.0  # noqa: PLR2004 - 63 stands for never
    except ValueError:
        return 0.0
    return None


def _sane(factor: float) -> float:
    return factor if 1.0 <= factor <= MOST else 0.0


def times(weight: float, key: bytes) -> int:
    """How often a call of ``weight`` is counted: a whole number whose mean over many spans is the weight, the same for the same span."""
    whole = math.floor(weight)
    rest = weight - whole
    return whole + (crc32(key) / 2**32 < rest)
