"""Notifications of anomalies to Slack, PagerDuty and others, through apprise (the extra ``notify``)."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from otel_llm.core import fork, unpatched
from otel_llm.core.config import Config

from .alerts import on_anomaly
from .anomaly import Anomaly

logger = logging.getLogger("otel_llm")


def start(config: Config) -> Callable[[], None]:
    """Send anomalies to the configured URLs; returns what ends it.

    apprise takes a second to load, so it is loaded with the first anomaly, on the alerts' thread. What is wrong is warned of,
    without the URL, which holds secrets.
    """
    removers: list[Callable[[], object]] = []
    for severity, urls in (("warning", config.notify_warning), ("critical", config.notify_critical)):
        variable = f"OTEL_LLM_NOTIFY_{severity.upper()}"
        if urls and find_spec("apprise") is None:
            logger.warning("%s needs the extra: pip install 'otel-llm[notify]'; nobody is notified.", variable)
        elif urls:
            for number, url in enumerate(urls, 1):
                if (
                    "://" not in url
                ):  # what else is wrong with a URL takes apprise, which is slow to load: otel-llm notify --test
                    logger.warning("%s: URL number %d is without a scheme; it will not be notified.", variable, number)
            removers.append(on_anomaly(_Notifier(variable, urls, config), severity=severity))

    def end() -> None:
        for remove in removers:
            remove()

    return end


def service(variable: str, urls: tuple[str, ...]) -> tuple[Any, list[str]]:
    """Apprise with those of ``urls`` that it knows, and what is wrong with the others, one line each."""
    import apprise  # noqa: PLC0415 - an extra, and slow to load

    notifier = apprise.Apprise(asset=_on_this_thread(apprise))
    with _quiet(logging.getLogger("apprise")):
        problems = [
            f"{variable}: URL number {number} ({_scheme(url)}) is none that apprise knows; it is left out."
            for number, url in enumerate(urls, 1)
            if not notifier.add(url)
        ]
    for one in notifier:
        one.tags = {"markdown" if "markdown" in str(one.notify_format).lower() else "text"}
    return notifier, problems


def send(service: Any, title: str, body: str, kind: str) -> bool:
    """Whether all of ``service`` took it. As text, apprise would escape the links for Markdown; as nothing in particular, it would join
    the lines of a mail. Names hold no markup either way."""
    tags = {tag for one in service for tag in one.tags}
    sent = [
        service.notify(title=title, body=body, notify_type=kind, body_format=_FORMATS[tag], tag=tag)
        for tag in sorted(tags)
    ]
    return bool(sent) and all(sent)


_FORMATS = {"markdown": None, "text": "text"}


def _on_this_thread(apprise: Any) -> Any:
    """Settings of apprise with which it sends to one URL after the other, here: the pool that it keeps otherwise ends with the thread
    that began it under gevent and eventlet, and in a forked child."""
    try:
        return apprise.AppriseAsset(async_mode=False, service_timeout=0)
    except (AttributeError, TypeError):  # an older one, which has no pool for a timeout
        return apprise.AppriseAsset(async_mode=False)


@contextmanager
def _quiet(other: logging.Logger) -> Iterator[None]:
    """While the block runs, ``other`` logs nothing: apprise quotes an URL that it does not understand, secrets included."""
    before, other.disabled = other.disabled, True
    try:
        yield
    finally:
        other.disabled = before


_PLAIN = str.maketrans(
    {
        "<": "\u2039",
        ">": "\u203a",
        "@": "\uff20",
        "[": "(",
        "]": ")",
        "`": "'",
        "*": "\u2217",
        "|": "\u00a6",
        "&": "\uff06",
    }
)
"""What is markup to Slack, Discord, Teams or a reader of Markdown, and what stands for it."""


def readable(anomaly: Anomaly) -> Anomaly:
    """``anomaly`` with nothing in it that a chat would take for a mention, a link or other markup: names of models may be user input."""
    return replace(
        anomaly,
        provider=_unmarked(anomaly.provider),
        model=_unmarked(anomaly.model),
        trace_id=_unmarked(anomaly.trace_id),
        detail=_unmarked(anomaly.detail),
        message=_unmarked(anomaly.message, LONGEST_MESSAGE),
        causes=tuple(cause._replace(value=_unmarked(cause.value)) for cause in anomaly.causes),
        labels=tuple((name, _unmarked(value)) for name, value in anomaly.labels),
    )


LONGEST, LONGEST_MESSAGE = 128, 600
"""Characters of one name, and of a sentence, which may hold several."""


def _unmarked(text: str, most: int = LONGEST) -> str:
    text = " ".join(text[: 4 * most].translate(_PLAIN).replace("://", ":\u2060//").split())
    text = "".join(letter if letter.isprintable() or letter == _JOINER else "?" for letter in text)
    return text if len(text) <= most else f"{text[: most - most // 3 - 1]}\N{HORIZONTAL ELLIPSIS}{text[-(most // 3) :]}"


_JOINER = "\u2060"  # of nothing's width: what it parts is no link


class _Turn:
    """One thread at a time in apprise: under eventlet, a thread that waits for a lock of it, which another one has, waits for ever."""

    def __init__(self) -> None:
        self.begin()
        fork.in_child(self.begin)

    def begin(self) -> None:
        self.lock = unpatched.Lock()


_TURN = _Turn()


def _scheme(url: str) -> str:
    return url.partition("://")[0] + "://..." if "://" in url else "without a scheme"


def message(anomaly: Anomaly, config: Config) -> tuple[str, str, str]:
    """Title, body and apprise's kind of a notification."""
    kind = "failure" if anomaly.severity == "critical" else "warning"
    title = f"otel-llm: {anomaly.type}"
    if anomaly.type == "condition_ended":
        kind, title = "success", "otel-llm: ended"
    elif anomaly.type == "condition_open":
        title = f"otel-llm: {anomaly.severity}"
    if config.service_name:
        title = f"{config.service_name}: {title.removeprefix('otel-llm: ')}"
    return title, "\n".join((str(readable(anomaly)), *_where(anomaly, config))), kind


def _where(anomaly: Anomaly, config: Config) -> Iterator[str]:
    """Where it is, and where to look."""
    service = config.service_name or "no OTEL_SERVICE_NAME"
    yield f"service {service} on {socket.gethostname()}" + (f", {config.environment}" if config.environment else "")
    scheme, host = "https" if config.tls_cert else "http", config.host
    if config.server != "off":
        host = socket.gethostname() if host in ("", "0.0.0.0", "::") else host  # noqa: S104 - named, not bound
        yield f"page {scheme}://{f'[{host}]' if ':' in host else host}:{config.port}/"
    if anomaly.condition:
        from otel_llm.core.conditions import BY_ID  # noqa: PLC0415 - only where there is something to say
        from otel_llm.core.objectives import DEFAULT  # noqa: PLC0415

        yield f"runbook {DEFAULT.runbook_url}#{BY_ID[anomaly.condition].alert.lower()}"
        yield f"board {DEFAULT.grafana_url}/d/otel-llm-overview"


class _Notifier:
    """A handler that notifies; a notification that is not delivered is warned of once."""

    def __init__(self, variable: str, urls: tuple[str, ...], config: Config) -> None:
        self.variable = variable
        self.urls = urls
        self.config = config
        self.service: Any = None
        self.warned = False

    def __call__(self, anomaly: Anomaly) -> None:
        title, body, kind = message(anomaly, self.config)
        with _TURN.lock:
            if self.service is None:
                self.service, problems = service(self.variable, self.urls)
                for problem in problems:
                    logger.warning("%s", problem)
            sent = send(self.service, title, body, kind)
        if not sent and not self.warned:
            self.warned = True
            logger.warning(
                "A notification of %s was not delivered (logged once); see the log of apprise.", anomaly.type
            )
