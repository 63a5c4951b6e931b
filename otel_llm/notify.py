"""Notifications of anomalies to Slack, PagerDuty and others, through apprise (the extra ``notify``)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from .alerts import Anomaly, on_anomaly
from .config import Config

logger = logging.getLogger("otel_llm")


def start(config: Config) -> Callable[[], None]:
    """Tell the configured URLs of anomalies; returns what ends it. What is wrong is warned of, without the URL: it holds secrets."""
    removers: list[Callable[[], None]] = []
    for severity, urls in (("warning", config.notify_warning), ("critical", config.notify_critical)):
        if urls and (service := _service(severity, urls)) is not None:
            removers.append(on_anomaly(_Teller(service), severity=severity))

    def end() -> None:
        for remove in removers:
            remove()

    return end


def _service(severity: str, urls: tuple[str, ...]) -> Any | None:
    variable = f"OTEL_LLM_NOTIFY_{severity.upper()}"
    try:
        import apprise  # noqa: PLC0415 - an extra, loaded only where it is configured
    except ImportError:
        logger.warning("%s needs the extra: pip install 'otel-llm[notify]'; nobody is notified.", variable)
        return None
    service = apprise.Apprise()
    for number, url in enumerate(urls, 1):
        if not service.add(url):
            logger.warning(
                "%s: URL number %d (%s) is none that apprise knows; it is left out.", variable, number, _scheme(url)
            )
    return service if len(service) else None


def _scheme(url: str) -> str:
    return url.partition("://")[0] + "://..." if "://" in url else "without a scheme"


class _Teller:
    """A handler that notifies; failures are warned of once."""

    def __init__(self, service: Any) -> None:
        self.service = service
        self.warned = False

    def __call__(self, anomaly: Anomaly) -> None:
        kind = "failure" if anomaly.severity == "critical" else "warning"
        sent = self.service.notify(title=f"otel-llm: {anomaly.type}", body=str(anomaly), notify_type=kind)
        if not sent and not self.warned:
            self.warned = True
            logger.warning("A notification of %s was not delivered (said once); see the log of apprise.", anomaly.type)
