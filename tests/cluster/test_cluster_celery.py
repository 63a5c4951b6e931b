"""Celery's prefork pool: each task's call is counted, over children that are recycled and killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cluster_lab import HERE, Scraper, Service, until

SEND = "import celery_app\nfor _ in range({number}): celery_app.{task}.delay()"


def send(service: Service, number: int, task: str = "ask") -> None:
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    code = SEND.format(number=number, task=task)
    subprocess.run([sys.executable, "-c", code], cwd=service.folder, env=environment, check=True)


def pool(service: Service) -> set[int]:
    assert service.process is not None
    threads = Path(f"/proc/{service.process.pid}/task").glob("*/children")
    return {int(pid) for thread in threads for pid in thread.read_text().split()}


def test_every_task_is_counted_once(service: Service) -> None:
    (service.folder / "queue").mkdir()
    (service.folder / "control").mkdir()
    send(service, 60)
    options = ("-P", "prefork", "-c", "2", "--max-tasks-per-child", "10", "--without-gossip", "--without-mingle")
    service.start("celery", "-A", "celery_app", "worker", *options)
    with Scraper(service) as scraper:
        until(lambda: service.calls() == 60)
        before = until(lambda: pool(service))
        send(service, 1, "ask_and_die")
        until(lambda: service.calls() == 61)
        until(lambda: pool(service) - before)
        send(service, 30)
        until(lambda: scraper.shown[-1] == 91)
    assert scraper.falls == []
