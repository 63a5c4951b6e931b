"""A host that uses prometheus_client's multiprocess mode gets both: its own metrics of all processes, and ours, each once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from cluster_lab import Service, counted, samples


def test_both_are_shown_once(service: Service) -> None:
    directory = service.folder / "multiproc"
    directory.mkdir()
    service.environment |= {"PROMETHEUS_MULTIPROC_DIR": str(directory), "SERVICE_COUNTS": "1"}
    where = ("-b", f"127.0.0.1:{service.port}", "--no-control-socket", "-w", "3")
    service.start("gunicorn", *where, "service_app:wsgi")
    service.ready()
    with ThreadPoolExecutor(8) as clients:
        assert all(clients.map(lambda _: service.get("/call"), range(50)))
    for text in (service.metrics(), service.get("/mounted") or ""):
        assert counted(text) == 50
        assert samples(text)["host_requests_total",] == 50
        names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        assert len(names) == len(set(names))
