"""See, price and guard LLM traffic with OpenTelemetry, Prometheus, Alertmanager and Grafana.

Start the service under ``opentelemetry-instrument`` and nothing here needs to be called; ``instrument()`` does the same from
code. All else is for what cannot be seen from outside: labels, fallbacks, caches and breakers of one's own making.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .core.version import __version__

if TYPE_CHECKING:
    from .calls.context import labels
    from .calls.observe import observe
    from .calls.track import track_cost
    from .cli.text import dashboard
    from .core.config import Config
    from .core.model import Reader, Response, Usage
    from .core.refusals import BudgetExceededError, RunawayError
    from .outputs.alerts import alert, on_anomaly
    from .outputs.anomaly import Anomaly
    from .pricing.public import price
    from .reliability.breakers import circuit_breaker
    from .reliability.caches import record_cache
    from .reliability.evaluations import record_evaluation
    from .reliability.fallbacks import fallback, record_fallback
    from .runtime import instrument, uninstrument
    from .runtime.ending import flush
    from .runtime.guarding import guard
    from .runtime.public import asgi_app, check, stats, wsgi_app

_HOME = {
    "Anomaly": "outputs.anomaly",
    "BudgetExceededError": "core.refusals",
    "Config": "core.config",
    "Reader": "core.model",
    "Response": "core.model",
    "RunawayError": "core.refusals",
    "Usage": "core.model",
    "alert": "outputs.alerts",
    "asgi_app": "runtime.public",
    "check": "runtime.public",
    "circuit_breaker": "reliability.breakers",
    "dashboard": "cli.text",
    "fallback": "reliability.fallbacks",
    "flush": "runtime.ending",
    "guard": "runtime.guarding",
    "instrument": "runtime",
    "labels": "calls.context",
    "observe": "calls.observe",
    "on_anomaly": "outputs.alerts",
    "price": "pricing.public",
    "record_cache": "reliability.caches",
    "record_evaluation": "reliability.evaluations",
    "record_fallback": "reliability.fallbacks",
    "stats": "runtime.public",
    "track_cost": "calls.track",
    "uninstrument": "runtime",
    "wsgi_app": "runtime.public",
}

__all__ = [
    "Anomaly",
    "BudgetExceededError",
    "Config",
    "Reader",
    "Response",
    "RunawayError",
    "Usage",
    "__version__",
    "alert",
    "asgi_app",
    "check",
    "circuit_breaker",
    "dashboard",
    "fallback",
    "flush",
    "guard",
    "instrument",
    "labels",
    "observe",
    "on_anomaly",
    "price",
    "record_cache",
    "record_evaluation",
    "record_fallback",
    "stats",
    "track_cost",
    "uninstrument",
    "wsgi_app",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and only that: ``import otel_llm`` itself costs nothing."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{home}", __name__)
    if name == "observe":  # for calls that no client library announces by its import
        module.ready()
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    """The public names, resolved or not: what ``help(otel_llm)`` shows."""
    return sorted(__all__)
