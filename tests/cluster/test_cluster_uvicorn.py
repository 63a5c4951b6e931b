"""uvicorn --workers: spawned processes that share nothing but the directory."""

from __future__ import annotations

import os
import signal

import pytest
from cluster_lab import Scraper, Service, until


def uvicorn(service: Service, *, instrument: bool = True) -> Service:
    where = ("--host", "127.0.0.1", "--port", str(service.port), "--workers", "2")
    service.start("uvicorn", *where, "service_app:asgi", instrument=instrument)
    return service.ready()


@pytest.mark.parametrize("instrument", [True, False], ids=["instrumented", "instruments itself"])
def test_every_request_is_counted_once_over_killed_workers(service: Service, *, instrument: bool) -> None:
    if not instrument:  # uvicorn's parent knows nothing then, and one of the workers leads
        service.environment["SERVICE_INSTRUMENTS_ITSELF"] = "1"
    uvicorn(service, instrument=instrument)
    with Scraper(service) as scraper:
        assert service.send(60) == 60
        before = service.workers()
        os.kill(min(before), signal.SIGKILL)
        until(lambda: service.workers() - before)
        until(lambda: service.send(1))
        shown = service.calls()
        assert shown >= 61
        assert service.send(60) == 60
    assert service.calls() == shown + 60
    assert scraper.falls == []
