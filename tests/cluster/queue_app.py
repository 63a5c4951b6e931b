"""Jobs that make an LLM call each, for the queues of ``tests/kill.py``: ``QUEUE`` says which, ``REDIS_PORT`` where its messages are."""

from __future__ import annotations

import os
import sys

from service_app import call

QUEUE, PORT = os.environ["QUEUE"], int(os.environ["REDIS_PORT"])

if QUEUE == "dramatiq":
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker

    dramatiq.set_broker(RedisBroker(host="127.0.0.1", port=PORT))
    job = dramatiq.actor(call, actor_name="job")

if QUEUE == "arq":
    from arq.connections import RedisSettings

    async def ask(_: object) -> None:
        call()

    class Worker:
        functions = (ask,)
        redis_settings = RedisSettings(port=PORT)


def send(number: int) -> None:
    """Put so many jobs into the queue."""
    if QUEUE == "rq":
        from redis import Redis
        from rq import Queue

        queue = Queue(connection=Redis(port=PORT))
        for _ in range(number):
            queue.enqueue("service_app.call")
    elif QUEUE == "dramatiq":
        for _ in range(number):
            job.send()
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
