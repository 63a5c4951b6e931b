"""A Celery application whose tasks make an LLM call each; messages are files."""

from __future__ import annotations

from celery import Celery
from service_app import call

app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}
app.conf.worker_hijack_root_logger = False


@app.task
def ask() -> None:
    call()
