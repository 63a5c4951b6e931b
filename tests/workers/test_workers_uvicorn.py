"""uvicorn --workers: spawned processes that share nothing but the directory."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from workers_lab import Scraper, Service, until


def uvicorn(service: Service, *, instrument: bool = True) -> Service:
    where = ("--host", "127.0.0.1", "--port", str(service.port), "--workers", "2")
    service.start("uvicorn", *where, "service_app:asgi", instrument=instrument)
    return service.ready()


def send(service: Service, number: int) -> int:
    with ThreadPoolExecutor(8) as clients:
        return sum(answer is not None for answer in clients.map(lambda _: service.get("/call"), range(number)))


def workers_of(service: Service) -> set[int]:
    with ThreadPoolExecutor(8) as clients:
        return {int(pid) for pid in clients.map(lambda _: service.get("/"), range(40)) if pid}


@pytest.mark.parametrize("instrument", [True, False], ids=["instrumented", "instruments itself"])
def test_every_request_is_counted_once_over_killed_workers(service: Service, *, instrument: bool) -> None:
    if not instrument:  # uvicorn's parent knows nothing then, and one of the workers leads
        service.environment["SERVICE_INSTRUMENTS_ITSELF"] = "1"
    uvicorn(service, instrument=instrument)
    with Scraper(service) as scraper:
        assert send(service, 60) == 60
        before = workers_of(service)
        os.kill(min(before), signal.SIGKILL)
        until(lambda: workers_of(service) - before)
        until(lambda: send(service, 1))
        shown = service.calls()
        assert shown >= 61
        assert send(service, 60) == 60
    assert service.calls() == shown + 60
    assert scraper.falls == []
