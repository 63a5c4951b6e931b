"""How the text of an environment variable becomes a setting's value. Each raises ``ValueError`` for what it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .signals import SIGNALS

Read = Callable[[str], Any]


def read_text(text: str) -> str:
    return text


def read_names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def read_signals(text: str) -> tuple[str, ...]:
    names = read_names(text)
    if strange := [name for name in names if name not in SIGNALS]:
        from difflib import get_close_matches  # noqa: PLC0415 - only where something is wrong

        near = get_close_matches(strange[0], SIGNALS, n=1)
        raise ValueError(f"{strange[0]!r} is no signal" + (f"; did you mean {near[0]}?" if near else ""))
    return names


def read_labels(text: str) -> tuple[str, ...]:
    names = read_names(text)
    if bad := [name for name in names if not name.isidentifier() or not name.isascii() or name.startswith("__")]:
        raise ValueError(f"{bad[0]!r} is no Prometheus label name")
    if "conversation" in names:
        raise ValueError("'conversation' is on spans only: there are more of them than a metric can have series")
    if taken := [name for name in names if name in _ours()]:
        raise ValueError(f"{taken[0]!r} is a label that metrics have already")
    return names


def _ours() -> frozenset[str]:
    from .catalogue import METRICS  # noqa: PLC0415 - only where it is set

    return frozenset(label for metric in METRICS for label in metric.labels) | {"le", "quantile", "job", "instance"}


def read_pairs(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition("=") for part in read_names(text)]
    if bad := [name for name, equals, value in pairs if not (name.strip() and equals and value.strip())]:
        raise ValueError(f"{bad[0]!r} is not pattern=name")
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)


def read_one_of(*allowed: str) -> Read:
    def read(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"not one of {', '.join(allowed)}")
        return text.lower()

    return read


def read_number(kind: type[int] | type[float], low: float, high: float) -> Read:  # noqa: PYI055
    def read(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError("not a whole number" if kind is int else "not a number") from None
        if not low <= value <= high:
            raise ValueError(f"not between {low:g} and {high:g}")
        return value

    return read


def read_otel_truth(text: str) -> bool:
    """A boolean of OpenTelemetry's own variables: only ``true`` is true, in any case; what is neither word is false, with a warning."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise ValueError("OpenTelemetry knows only true and false")


def read_zone(text: str) -> str:
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    try:
        ZoneInfo(text)
    except (KeyError, OSError, ValueError):
        raise ValueError("no known time zone") from None
    return text


def read_capture(text: str) -> str:
    """OpenTelemetry's switch: the modes of the conventions, and ``true`` as older instrumentations read it."""
    modes = {"true": "span_only", "false": "no_content", "": "no_content"}
    value = modes.get(text.lower(), text.lower())
    return str(read_one_of("no_content", "span_only", "event_only", "span_and_event")(value))


def read_action(text: str) -> str:
    module, colon, function = text.partition(":")
    if colon and all(part.isidentifier() for part in (*module.split("."), *function.split("."))):
        return text
    return str(read_one_of("observe", "warn", "refuse")(text))


def read_vocabulary(text: str) -> str:
    """Vocabularies of the conventions, comma-separated."""
    from .semconv.vocabulary import words  # noqa: PLC0415 - only where it is set

    words(text)
    return ",".join(read_names(text.lower()))


def problem(variable: str, text: str, error: ValueError, allowed: str, default: Any) -> str:
    """What is wrong with a variable's text, what is allowed, and what is used instead."""
    hint = f" (allowed: {allowed})" if allowed else ""
    quoted = text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004
    return f"{variable}={quoted!r}: {error}{hint}; using {_used(default)}"


def unknown(name: str, names: Iterable[str]) -> str:
    """What is wrong with a variable that has a name of ours, and is none of ``names``."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where something is wrong

    near = get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"{name} is not a setting of otel-llm" + (f"; did you mean {near[0]}?" if near else "")


def _used(default: Any) -> str:
    if default in (None, "", ()):
        return "none"
    return str(default).lower() if isinstance(default, bool) else repr(default)
