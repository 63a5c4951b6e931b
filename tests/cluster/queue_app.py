"""Jobs that make LLM calls until they are killed, for the queues of ``tests/kill.py``: ``QUEUE`` says which, ``REDIS_PORT`` where
its messages are. What has begun and what has returned is counted there, too, so it outlives who did it.
"""

from __future__ import annotations

import os
import sys
import time

from queue_names import BEGUN, DOOMED, OVER, RETURNED
from redis import Redis
from service_app import call

QUEUE, PORT = os.environ["QUEUE"], int(os.environ["REDIS_PORT"])
_SECONDS = 5.0  # until whoever should kill us may be gone


def work() -> None:
    """Ask to be killed, and call until then."""
    kept = Redis(port=PORT)
    if kept.exists(OVER):
        return
    kept.rpush(DOOMED, os.getpid())
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and not kept.exists(OVER):
        kept.incr(BEGUN)
        call()
        kept.incr(RETURNED)


if QUEUE == "dramatiq":
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker

    dramatiq.set_broker(RedisBroker(host="127.0.0.1", port=PORT))
    job = dramatiq.actor(work, actor_name="job", max_retries=0)

if QUEUE == "celery":
    from celery import Celery

    app = Celery("tasks", broker=f"redis://127.0.0.1:{PORT}/0")
    app.conf.worker_hijack_root_logger = False
    job = app.task(name="job")(work)

if QUEUE == "arq":
    from arq.connections import RedisSettings

    async def ask(_: object) -> None:
        work()

    class Worker:
        functions = (ask,)
        redis_settings = RedisSettings(port=PORT)
        max_tries = 1
        max_jobs, job_timeout = (
            1,
            2 * _SECONDS,
        )  # what a killed worker had taken is locked for so long, and stands in the way of others


def send(number: int) -> None:
    """Put so many jobs into the queue."""
    if QUEUE == "rq":
        from rq import Queue

        queue = Queue(connection=Redis(port=PORT))
        for _ in range(number):
            queue.enqueue("queue_app.work")
    elif QUEUE == "dramatiq":
        for _ in range(number):
            job.send()
    elif QUEUE == "celery":
        for _ in range(number):
            job.delay()
    else:
        import asyncio

        from arq import create_pool

        async def enqueue() -> None:
            pool = await create_pool(Worker.redis_settings)
            for _ in range(number):
                await pool.enqueue_job("ask")
            await pool.aclose()

        asyncio.run(enqueue())


if __name__ == "__main__":
    send(int(sys.argv[1]))
