"""See, price and guard LLM traffic with OpenTelemetry, Prometheus, Alertmanager and Grafana.

Start the service under ``opentelemetry-instrument`` and nothing here needs to be called; ``instrument()`` does the same from
code. All else is for what cannot be seen from outside: labels, fallbacks, caches and breakers of one's own making.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .alerts import Anomaly, on_anomaly
    from .context import labels
    from .observing import observe
    from .public import asgi_app, stats, wsgi_app
    from .runtime import instrument, uninstrument
    from .signals.breakers import circuit_breaker
    from .signals.caches import record_cache
    from .signals.fallbacks import fallback, record_fallback

_HOME = {
    "Anomaly": "alerts",
    "asgi_app": "public",
    "circuit_breaker": "signals.breakers",
    "fallback": "signals.fallbacks",
    "instrument": "runtime",
    "labels": "context",
    "observe": "observing",
    "on_anomaly": "alerts",
    "record_cache": "signals.caches",
    "record_fallback": "signals.fallbacks",
    "stats": "public",
    "uninstrument": "runtime",
    "wsgi_app": "public",
}

__all__ = [
    "Anomaly",
    "__version__",
    "asgi_app",
    "circuit_breaker",
    "fallback",
    "instrument",
    "labels",
    "observe",
    "on_anomaly",
    "record_cache",
    "record_fallback",
    "stats",
    "uninstrument",
    "wsgi_app",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and only that: ``import otel_llm`` itself costs nothing."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
