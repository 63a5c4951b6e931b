"""The libraries whose fallbacks, caches and breakers are seen by themselves: put in and taken out together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module

from otel_llm.calls.declarations import ReliabilityLibrary
from otel_llm.calls.install import Installed
from otel_llm.calls.observer import Observer

from ._modules import MODULES

NAMES = (
    "pybreaker",
    "aiobreaker",
    "purgatory",
    "circuitbreaker",
    "litellm",
    "langchain_core",
    "langchain",
    "pydantic_ai",
    "autoevals",
    "deepeval",
    "inspect_ai",
    "opentelemetry_logs",
    "guardrails_ai",
    "nemo_guardrails",
)


def load(name: str) -> ReliabilityLibrary:
    """The declaration of the library ``name``. Raises ``KeyError`` for one that is not declared."""
    if name not in NAMES:
        raise KeyError(f"no signals are called {name!r}; there are {', '.join(NAMES)}")
    signal: ReliabilityLibrary = import_module(f"{__package__}.{name}").signal
    return signal


def install(observer: Observer, accepts: Callable[[ReliabilityLibrary], bool]) -> list[Installed]:
    """See all of them as soon as they are imported; ``accepts`` is asked then whether the version is one we know."""
    return [Installed(MODULES[name], partial(load, name), observer, accepts) for name in NAMES]
