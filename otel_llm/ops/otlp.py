"""Rules and dashboards for metrics that came over OTLP, where labels of ours have a namespace: ``outcome`` is ``otel_llm_outcome``."""

from __future__ import annotations

import re

from otel_llm.core.catalogue import METRICS
from otel_llm.core.semconv.labels import ATTRIBUTES, attribute

PUSHED = ("conventions", "latest", "events")
"""Sections of the catalogue whose metrics are recorded on instruments."""

OURS = frozenset(("direction", "severity", "signal"))
"""Labels that rules give to what they record, by the same words."""
OWN = frozenset(
    label
    for metric in METRICS
    if metric.section in PUSHED
    for label in metric.labels
    if label not in ATTRIBUTES and label not in OURS
)
_NAMES = "|".join(sorted(OWN, key=len, reverse=True))
_MATCHED = re.compile(rf'(?<![\w:"])({_NAMES})(?=\s*(?:=~|!=|!~|=\\?"))')
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right) ?\([^()]*\)")
_SHOWN = re.compile(rf"(\$labels\.|{{{{\s*)({_NAMES})\b")
_GIVEN = re.compile(rf"(?m)^( {{8,}})({_NAMES})(?=: )")
_NAME = re.compile(rf"\b({_NAMES})\b")


def renamed(text: str) -> str:
    """``text`` of rules or of a dashboard with labels of ours as they are called after OTLP: in matchers, in groupings, in
    what is recorded, in what is shown."""
    text = _MATCHED.sub(lambda match: _called(match[1]), text)
    text = _GROUPED.sub(lambda match: _NAME.sub(lambda name: _called(name[1]), match[0]), text)
    text = _GIVEN.sub(lambda match: match[1] + _called(match[2]), text)
    return _SHOWN.sub(lambda match: match[1] + _called(match[2]), text)


def _called(label: str) -> str:
    return attribute(label).replace(".", "_")
