"""eventlet: its patch changes locks, threads, sockets and even ``os.read``; the clerk keeps the real ones."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import pytest
from cluster_lab import HERE, Scraper, Service, counted, until


def test_every_request_is_counted_once(service: Service) -> None:
    service.environment["SERVICE_INSTRUMENTS_ITSELF"] = "1"
    service.start("python", "-W", "ignore", str(HERE / "eventlet_server.py"), str(service.port), instrument=False)
    service.ready()
    with Scraper(service) as scraper, ThreadPoolExecutor(8) as clients:
        assert all(clients.map(lambda _: service.get("/call"), range(100)))
        until(lambda: len(scraper.shown) >= 20)
    assert service.calls() == 100
    assert scraper.falls == []
    assert counted(service.get("/mounted") or "") == 100


@pytest.mark.skipif(
    not importlib.util.find_spec("gunicorn.workers.geventlet"),
    reason="gunicorn 26 has none: row gunicorn-eventlet of the matrix",
)
def test_gunicorns_eventlet_worker_counts_each_call_once(service: Service) -> None:
    """The application instruments itself, after the patch."""
    service.environment["SERVICE_INSTRUMENTS_ITSELF"] = "1"
    where = ("-b", f"127.0.0.1:{service.port}", "--no-control-socket", "--timeout", "300")
    service.start("gunicorn", *where, "-w", "2", "-k", "eventlet", "service_app:wsgi", instrument=False)
    service.ready()
    assert service.send(40) == 40
    assert service.calls() == 40
    assert counted(service.get("/mounted") or "") == 40
