"""gunicorn: every request's call is on every scrape, whichever worker made it, and whether that was recycled or killed."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from cluster_lab import Scraper, Service, counted, samples, until

from otel_llm.testing.loopback import Loopback

KINDS = {
    "sync": ("-w", "3"),
    "preload": ("-w", "3", "--preload"),
    "gthread": ("-w", "2", "-k", "gthread", "--threads", "4"),
    "gevent": ("-w", "2", "-k", "gevent"),
    "uvicorn": ("-w", "2", "-k", "uvicorn_worker.UvicornWorker"),
    "recycled": ("-w", "2", "--max-requests", "15"),
}


def gunicorn(service: Service, *options: str, instrument: bool = True) -> Service:
    where = ("-b", f"127.0.0.1:{service.port}", "--no-control-socket", "--graceful-timeout", "5")
    application = "asgi" if any("uvicorn" in option for option in options) else "wsgi"
    service.start("gunicorn", *where, *options, f"service_app:{application}", instrument=instrument)
    return service.ready()


@pytest.mark.parametrize("kind", KINDS)
def test_every_request_is_counted_once(service: Service, kind: str) -> None:
    gunicorn(service, *KINDS[kind])
    with Scraper(service) as scraper:
        assert service.send(100) == 100
        until(lambda: len(scraper.shown) >= 20)
    assert service.calls() == 100
    assert scraper.falls == []
    assert counted(service.get("/mounted") or "") == 100  # a follower's mounted app shows the same


def test_a_gevent_worker_can_lead(service: Service) -> None:
    """It instruments itself after gevent's patch, so that the clerk and the servers must be real threads all the same."""
    service.environment["SERVICE_INSTRUMENTS_ITSELF"] = "1"
    gunicorn(service, "-w", "2", "-k", "gevent", instrument=False)
    with Scraper(service) as scraper:
        assert service.send(100) == 100
        until(lambda: len(scraper.shown) >= 20)
    assert service.calls() == 100
    assert scraper.falls == []
    assert counted(service.get("/mounted") or "") == 100


def test_a_real_client_under_preload_is_counted_with_its_cost(service: Service) -> None:
    with Loopback() as server:
        service.environment["LLM_URL"] = server.url
        gunicorn(service, "-w", "2", "--preload")
        assert service.send(30) == 30
        until(lambda: sum(v for k, v in samples(service.metrics()).items() if k[0] == "otel_llm_cost_usd_total") > 0)
    assert service.calls() == 30


def test_a_graceful_reload_goes_on_counting(service: Service) -> None:
    gunicorn(service, "-w", "2")
    assert service.send(40) == 40
    before = service.workers()
    with Scraper(service) as scraper:
        assert service.process is not None
        service.process.send_signal(signal.SIGHUP)
        until(lambda: service.workers().isdisjoint(before))
        assert service.send(40) == 40
    assert service.calls() == 80
    assert scraper.falls == []


def test_killed_workers_lose_nothing(service: Service) -> None:
    """The application instruments itself, so that a worker leads: it is killed as well, in mid-traffic."""
    service.environment["SERVICE_INSTRUMENTS_ITSELF"] = "1"
    gunicorn(service, "-w", "3", instrument=False)
    answered, sent = 0, 0
    with Scraper(service) as scraper:
        for _ in range(3):
            victims = service.workers()
            with ThreadPoolExecutor(1) as traffic:
                sending = traffic.submit(service.send, 60)
                until(lambda before=answered: service.calls() > before + 10)
                for victim in sorted(victims)[:2]:
                    os.kill(victim, signal.SIGKILL)
                answered, sent = answered + sending.result(), sent + 60
    assert scraper.falls == []
    assert answered <= service.calls() <= sent


def test_recycled_workers_leave_nothing_behind(service: Service) -> None:
    gunicorn(service, "-w", "2", "--max-requests", "4")
    assert service.send(60) == 60
    state = service.folder / "state"
    exited = ("otel_llm_processes", "exited")
    until(lambda: samples(service.metrics())[exited] >= 10)
    until(lambda: len(list(state.rglob("journal.*"))) <= 4)
    until(lambda: len(list(state.rglob("presence.*"))) <= 4)  # a moment after its journal
    assert service.calls() == 60
