"""Notifications of anomalies to Slack, PagerDuty and others, through apprise (the extra ``notify``)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from otel_llm.core.config import Config

from .alerts import Anomaly, on_anomaly

logger = logging.getLogger("otel_llm")


def start(config: Config) -> Callable[[], None]:
    """Tell the configured URLs of anomalies; returns what ends it.

    apprise takes a second to load, so it is loaded with the first anomaly, on the alerts' thread. What is wrong is warned of,
    without the URL, which holds secrets.
    """
    removers: list[Callable[[], None]] = []
    for severity, urls in (("warning", config.notify_warning), ("critical", config.notify_critical)):
        variable = f"OTEL_LLM_NOTIFY_{severity.upper()}"
        if urls and find_spec("apprise") is None:
            logger.warning("%s needs the extra: pip install 'otel-llm[notify]'; nobody is notified.", variable)
        elif urls:
            removers.append(on_anomaly(_Teller(variable, urls), severity=severity))

    def end() -> None:
        for remove in removers:
            remove()

    return end


def service(variable: str, urls: tuple[str, ...]) -> tuple[Any, list[str]]:
    """Apprise with those of ``urls`` that it knows, and what is wrong with the others, one line each."""
    import apprise  # noqa: PLC0415 - an extra, and slow to load

    found = apprise.Apprise()
    problems = [
        f"{variable}: URL number {number} ({_scheme(url)}) is none that apprise knows; it is left out."
        for number, url in enumerate(urls, 1)
        if not found.add(url)
    ]
    return found, problems


def _scheme(url: str) -> str:
    return url.partition("://")[0] + "://..." if "://" in url else "without a scheme"


class _Teller:
    """A handler that notifies; that it could not is warned of once."""

    def __init__(self, variable: str, urls: tuple[str, ...]) -> None:
        self.variable = variable
        self.urls = urls
        self.service: Any = None
        self.warned = False

    def __call__(self, anomaly: Anomaly) -> None:
        if self.service is None:
            self.service, problems = service(self.variable, self.urls)
            for problem in problems:
                logger.warning("%s", problem)
        kind = "failure" if anomaly.severity == "critical" else "warning"
        sent = self.service.notify(title=f"otel-llm: {anomaly.type}", body=str(anomaly), notify_type=kind)
        if not sent and not self.warned:
            self.warned = True
            logger.warning("A notification of %s was not delivered (said once); see the log of apprise.", anomaly.type)
