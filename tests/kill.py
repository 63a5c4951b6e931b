"""Kill processes of services under every server that we know, at random instants, and hold what /metrics shows against what was answered.

Usage: ``python tests/kill.py [--kills N] [server ...]`` (``make kill``, for nightly runs: 2,000 kills, 20 minutes). For each server:
as many calls as requests that were answered, at least, and at most those that were not answered beside them, for these may have made
their call. A server that does not bring killed workers back is started anew, and its counters begin anew with it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import matrix

ROOT = Path(__file__).resolve().parent.parent
ROW = matrix.Row(
    "servers",
    (
        "gunicorn",
        "gevent",
        "uvicorn",
        "hypercorn",
        "granian",
        "waitress",
        "pyuwsgi",
        "celery",
        "rq",
        "dramatiq[redis]",
        "arq",
        "typing_extensions",
    ),
    (),
    installed=True,
)
DEBIAN = matrix.HOME / "servers-debian"
MOST_STARTS = 3  # of a server that does not bring killed workers back
WSGI, ASGI = "service_app:wsgi", "service_app:asgi"
GRANIAN = ("granian", "--workers", "3", "--port", "{port}", "--respawn-failed-workers", "--interface")
GUNICORN = ("gunicorn", "-b", "127.0.0.1:{port}", "-w", "3", WSGI)
UWSGI = (
    "--master", "--processes", "3", "--need-app", "--die-on-term", "--enable-threads", "--http-socket", "127.0.0.1:{port}",
    "--module", WSGI,
)  # fmt: skip


@dataclass(frozen=True)
class Server:
    """How a server is started. ``alone``: it has one process, or ends with the first that is killed: it is asked only."""

    name: str
    distribution: str
    command: tuple[str, ...]
    alone: bool = False
    itself: bool = False  # the application instruments itself
    needs: str = ""  # a program


SERVERS = (
    Server("gunicorn sync", "gunicorn", GUNICORN),
    Server("gunicorn sync --preload", "gunicorn", (*GUNICORN, "--preload")),
    Server("gunicorn gthread", "gunicorn", (*GUNICORN, "-k", "gthread", "--threads", "4")),
    Server("gunicorn gevent", "gunicorn", (*GUNICORN, "-k", "gevent")),
    Server("uvicorn", "uvicorn", ("uvicorn", "--workers", "3", "--port", "{port}", ASGI)),
    Server("hypercorn", "hypercorn", ("hypercorn", "-w", "3", "-b", "127.0.0.1:{port}", ASGI), alone=True),  # ends with a worker
    Server("granian ASGI", "granian", (*GRANIAN, "asginl", ASGI)),
    Server("granian WSGI", "granian", (*GRANIAN, "wsgi", WSGI)),
    Server("waitress", "waitress", ("waitress-serve", "--listen=127.0.0.1:{port}", WSGI), alone=True),
    Server("uWSGI", "pyuwsgi", ("uwsgi", *UWSGI), itself=True),
    Server("uWSGI --lazy-apps --threads", "pyuwsgi", ("uwsgi", *UWSGI, "--lazy-apps", "--threads", "4"), itself=True),
    Server(
        "uWSGI of Debian", "", ("/usr/bin/uwsgi", "--plugin", "python3", "--virtualenv", str(DEBIAN), *UWSGI), itself=True,
        needs="/usr/bin/uwsgi",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Queue:
    """How a worker of a queue in Redis is started. Its jobs are counted, by processes that it forks and recycles."""

    name: str
    command: tuple[str, ...]


QUEUES = (
    Queue("rq", ("rq", "worker", "--url", "redis://127.0.0.1:{port}")),
    Queue("dramatiq", ("dramatiq", "queue_app", "--processes", "2", "--threads", "2")),
    Queue("arq", ("arq", "queue_app.Worker")),
)
JOBS = 60


@dataclass
class Tally:
    """What clients saw of one start of a service."""

    answered: int = 0
    failed: int = 0
    pids: deque[int] = field(default_factory=lambda: deque(maxlen=12))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, service: object) -> None:
        reply = service.get("/call")
        with self.lock:
            if reply is None:
                self.failed += 1
            else:
                self.answered += 1
                self.pids.append(int(reply))


def make_debian() -> None:
    """An environment of Debian's own Python: its uWSGI is linked with that."""
    if not (DEBIAN / "stamp").exists():
        matrix.told(str(matrix.uv()), "venv", "-q", "--clear", "--python", "/usr/bin/python3", str(DEBIAN))
        matrix.told(
            str(matrix.uv()), "pip", "install", "-q", "--python", str(DEBIAN / "bin" / "python"), "-e", str(ROOT)
        )
        (DEBIAN / "stamp").touch()


def version(server: Server) -> str:
    if server.distribution:
        return metadata.version(server.distribution)
    return subprocess.run([server.needs, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def run(server: Server, kills: int, chance: random.Random) -> tuple[str, bool]:
    """What came of it, and whether nothing was lost."""
    from cluster_lab import Service

    if server.needs:
        make_debian()
    done = answered = starts = ended = 0
    lost: list[str] = []
    while (done < kills and starts < MOST_STARTS) or not starts:
        starts += 1
        with tempfile.TemporaryDirectory(prefix="otel-llm-kill-") as home:
            service = Service(Path(home))
            if server.itself:
                service.environment["SERVICE_INSTRUMENTS_ITSELF"] = "1"
            service.start(*(word.format(port=service.port) for word in server.command), instrument=not server.itself)
            try:
                service.ready()
                tally, killed = one(server, service, kills - done, chance)
                done += killed
                answered += tally.answered
                if (
                    service.process.poll() is not None
                ):  # the server itself has ended: whoever knew is gone, and nobody shows a page
                    ended += 1
                    continue
                shown, until = -1, time.monotonic() + 20
                while shown < tally.answered and time.monotonic() < until:
                    page = service.get("/metrics", service.metrics_port)
                    if page is not None:
                        from cluster_lab import counted

                        shown = counted(page)
                    time.sleep(0.1)
                if not tally.answered <= shown <= tally.answered + tally.failed:
                    lost.append(f"{tally.answered} answered, {tally.failed} not, {shown} shown")
            finally:
                service.stop()
        if killed == 0:
            break  # its workers cannot be told apart, or there is one process only
    gone = f", {ended} of which ended with a worker" if ended else ""
    what = f"{done} kills, {answered} calls answered, {starts} start{'s' if starts > 1 else ''}{gone}"
    return f"{what}: {'; '.join(lost) or 'none lost'}", not lost


def one(server: Server, service: object, kills: int, chance: random.Random) -> tuple[Tally, int]:
    """Ask, and kill who answers, until there were so many kills, or nobody answers any more."""
    tally, over, killed = Tally(), threading.Event(), 0

    def ask() -> None:
        while not over.is_set():
            tally.ask(service)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    heard, until = time.monotonic(), time.monotonic() + 2
    seen = 0
    while (killed < kills and not server.alone) or time.monotonic() < until:
        time.sleep(chance.uniform(0.02, 0.2))
        if tally.answered > seen:
            heard, seen = time.monotonic(), tally.answered
        elif time.monotonic() - heard > 5:
            break  # it does not bring its workers back
        if not server.alone and killed < kills and tally.pids:
            victim = chance.choice(tuple(tally.pids))
            if victim != service.process.pid:
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    killed += 1
            tally.pids.clear()
    over.set()
    for client in clients:
        client.join()
    return tally, killed


def work(queue: Queue) -> tuple[str, bool]:
    """What came of ``JOBS`` jobs, and whether each was counted once."""
    from cluster_lab import BIN, HERE, Service, counted, free_port

    port = free_port()
    redis = subprocess.Popen(["redis-server", "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="otel-llm-kill-") as home:
        service = Service(Path(home))
        service.environment |= {"QUEUE": queue.name, "REDIS_PORT": str(port)}
        try:
            for _ in range(100):
                sent = subprocess.run(
                    [BIN / "python", HERE / "queue_app.py", str(JOBS)],
                    env=service.environment,
                    capture_output=True,
                    check=False,
                )
                if sent.returncode == 0:
                    break
                time.sleep(0.1)
            service.start(*(word.format(port=port) for word in queue.command))
            shown, until = -1, time.monotonic() + 120
            while shown < JOBS and time.monotonic() < until:
                page = service.get("/metrics", service.metrics_port)
                shown = shown if page is None else counted(page)
                time.sleep(0.2)
            time.sleep(2)
            page = service.get("/metrics", service.metrics_port)
            shown = shown if page is None else counted(page)
        finally:
            service.stop()
            redis.kill()
            redis.wait()
    return f"{JOBS} jobs, {shown} shown", shown == JOBS


def main(arguments: list[str]) -> int:
    """In the servers' own environment."""
    options = argparse.ArgumentParser(prog="tests/kill.py", description=__doc__)
    options.add_argument("--kills", type=int, default=2000, help="in all, over the servers")
    options.add_argument("--seed", type=int, default=int(time.time()))
    options.add_argument("servers", nargs="*", help="by the beginning of their names")
    chosen = options.parse_args(arguments)
    if os.environ.get("OTEL_LLM_KILL") != "1":
        matrix.HOME.mkdir(exist_ok=True)
        python = matrix.environment(ROW)
        os.execve(python, [str(python), __file__, *arguments], {**os.environ, "OTEL_LLM_KILL": "1"})
    sys.path[:0] = [str(ROOT / "tests" / "cluster"), str(ROOT / "tests" / "support")]
    chance = random.Random(chosen.seed)
    servers = [one for one in SERVERS if not chosen.servers or one.name.startswith(tuple(chosen.servers))]
    servers = [one for one in servers if not one.needs or shutil.which(one.needs)]
    each = -(-chosen.kills // max(sum(not one.alone for one in servers), 1))
    good = True
    for server in servers:
        told, kept = run(server, 0 if server.alone else each, chance)
        good &= kept
        print(f"{server.name} {version(server)}: {told}", flush=True)
    for queue in QUEUES if shutil.which("redis-server") else ():
        if not chosen.servers or queue.name in chosen.servers:
            told, kept = work(queue)
            good &= kept
            print(f"{queue.name} {metadata.version(queue.name)}: {told}", flush=True)
    print(f"seed {chosen.seed}: {'nothing lost' if good else 'CALLS WERE LOST OR COUNTED TWICE'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
