"""eventlet: its patch changes locks, threads, sockets and even ``os.read``; the clerk keeps the real ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

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
