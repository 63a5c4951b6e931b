"""A Celery application whose tasks make an LLM call each; messages are files."""

from __future__ import annotations

import os
import signal

from celery import Celery
from service_app import call

app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.worker_hijack_root_logger = False


@app.task
def ask() -> None:
    call()


@app.task
def ask_and_die() -> None:
    """Dies as by the kernel's out-of-memory killer, with its call made. It holds no lock of the pool's queue meanwhile."""
    call()
    os.kill(os.getpid(), signal.SIGKILL)
