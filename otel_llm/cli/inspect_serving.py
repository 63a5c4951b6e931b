"""Would a service with this environment serve, share with its other processes and notify: tried with the service's own code."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from otel_llm.cluster import processes, statedir
from otel_llm.exposition.server import PortTakenError, ServeError, serve
from otel_llm.outputs import notifications

from . import inspect_page, samples, scrape
from .findings import Finding
from .problems import Problem
from .scrape import Endpoint
from .terminal import default_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_llm.core.config import Config


def port(config: Config) -> Iterable[Finding]:
    """Who answers on the port, or whether a service could."""
    if config.server == "off":
        yield Finding(
            "note", "port", "OTEL_LLM_METRICS_SERVER is off: mount otel_llm.asgi_app() or wsgi_app() yourself"
        )
        return
    try:
        serve(config, lambda _: ("text/plain", b"")).close()
    except PortTakenError:
        yield from _tenant(config)
    except ServeError as error:
        yield Finding("fail", "port", f"/metrics is not served: {error}", _remedy(str(error)))
    else:
        yield Finding("ok", "port", f"{config.port} is free; no service runs here now")


def _remedy(trouble: str) -> str:
    """Settings that are wrong by themselves are named first in what is wrong."""
    if trouble.startswith("OTEL_"):
        return f"correct or unset {trouble.replace('=', ' ').replace(':', ' ').split()[0]}"
    return "set OTEL_EXPORTER_PROMETHEUS_HOST and _PORT to what this user may listen on"


def _tenant(config: Config) -> Iterable[Finding]:
    url = default_url(config)
    try:
        page = samples.parse(scrape.fetch(Endpoint.parse(url, insecure=True)).text, time.time(), url)
    except Problem as problem:
        if isinstance(problem, scrape.Refusal) and problem.status == HTTPStatus.UNAUTHORIZED and _is_ours(url):
            yield Finding("ok", "port", f"{url} is served by otel-llm, and asks for a user and password")
        else:
            yield Finding("warn", "port", problem.format_message(), "set OTEL_EXPORTER_PROMETHEUS_PORT to another one")
        return
    live = page.total("otel_llm_processes", state="live") or 0
    yield Finding("ok", "port", f"{url} is served by otel-llm, {live:.0f} process{'es' if live != 1 else ''} behind it")
    yield from inspect_page.quality(page)


def _is_ours(url: str) -> bool:
    """Whether otel-llm is there, which it says without a password."""
    healthy = Endpoint.parse(f"{url.removesuffix('/metrics')}/-/healthy", insecure=True)
    try:
        return scrape.get(healthy, "text/plain").text.startswith("otel-llm")
    except Problem:
        return False


def state(config: Config) -> Finding:
    """Whether processes find each other; tried in a directory that goes again where theirs is not made yet."""
    folder: Path | str = config.state_dir
    try:
        folder = statedir.base(config)
        existed = os.path.lexists(folder)
        if existed:
            _meet(config)
        else:
            nearest = next(parent for parent in folder.parents if parent.exists())
            with tempfile.TemporaryDirectory(prefix="otel-llm-doctor-", dir=nearest) as scratch:
                _meet(replace(config, state_dir=scratch))
    except OSError as error:
        why = f"{folder or 'OTEL_LLM_STATE_DIR is not set'}: {error.strerror}" if error.strerror else str(error)
        return Finding(
            "fail",
            "state",
            f"processes do not find each other: {why}",
            "set OTEL_LLM_STATE_DIR to a directory of the service's user, closed to others (chmod 700)",
        )
    return Finding("ok", "state", f"{folder}{'' if existed else ' (made when a service starts)'}")


def _meet(config: Config) -> None:
    start, member = statedir.enter(config, processes.myself())
    member.drop()
    statedir.leave(start)


def notify_urls(config: Config) -> Iterable[Finding]:
    """URLs that notifications cannot reach."""
    for severity, urls in (("WARNING", config.notify_warning), ("CRITICAL", config.notify_critical)):
        if urls:
            yield from _unreachable(f"OTEL_LLM_NOTIFY_{severity}", urls)


def _unreachable(variable: str, urls: tuple[str, ...]) -> Iterable[Finding]:
    try:
        _, problems = notifications.service(variable, urls)
    except ImportError:
        yield Finding(
            "fail", "notify", f"{variable} needs the extra: nobody is notified", "pip install 'otel-llm[notify]'"
        )
        return
    for problem in problems:
        yield Finding("fail", "notify", problem, "write it as https://github.com/caronc/apprise has it")
