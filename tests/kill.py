"""Kill processes of services under every server and queue that we know, at random instants, and hold what /metrics shows against
what was answered.

Usage: ``python tests/kill.py [--kills N] [name ...]`` (``make kill``, for nightly runs: 2,000 kills).
For each server: as many calls as requests that were answered, at least, and at most those that were not answered beside them, for
these may have made their call. For each queue: as many as had returned, at least, and at most as many as had begun. Where a server
ends as a whole with a killed worker, or is one process, something starts it again as a supervisor does, and the service goes on
counting. One that brings killed workers back by forks takes more of the kills than one that has to be loaded anew.
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
from typing import TYPE_CHECKING

import matrix

if TYPE_CHECKING:
    from cluster_lab import Service

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
        "celery[redis]",
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
BY_FORKS = 4  # as many kills as others have, for a server that brings workers back by forks
SILENCE = 20.0  # seconds without an answer and without work, after which a server is given up
MOST_SILENCE = 300.0  # seconds without an answer, whatever it does
WSGI, ASGI = "service_app:wsgi", "service_app:asgi"
GRANIAN = ("granian", "--workers", "3", "--port", "{port}", "--respawn-failed-workers", "--interface")
GUNICORN = ("gunicorn", "-b", "127.0.0.1:{port}", "-w", "3", WSGI)
UWSGI = (
    "--master", "--processes", "3", "--need-app", "--die-on-term", "--enable-threads", "--http-socket", "127.0.0.1:{port}",
    "--module", WSGI,
)  # fmt: skip
MODULES = "/usr/lib/apache2/modules/mod_"
APACHE = (
    "Listen 127.0.0.1:{port}", "ServerName localhost", "PidFile {home}/pid", "ErrorLog {home}/apache.log",
    f"LoadModule mpm_event_module {MODULES}mpm_event.so", f"LoadModule authz_core_module {MODULES}authz_core.so",
    f"LoadModule wsgi_module {MODULES}wsgi.so",
    "User nobody", "Group nogroup", "WSGISocketPrefix {home}/wsgi",
    f"WSGIDaemonProcess one processes=3 threads=4 python-home={DEBIAN} python-path={ROOT}/tests/cluster",
    "WSGIProcessGroup one", "WSGIApplicationGroup %{{GLOBAL}}", f"WSGIScriptAlias / {ROOT}/tests/cluster/service_mod_wsgi.py",
)  # fmt: skip


@dataclass(frozen=True)
class Server:
    """How a server is started. ``kept``: it is one process, or ends with the first that is killed, and is started again."""

    name: str
    distribution: str
    command: tuple[str, ...]
    kept: bool = False
    itself: bool = False  # the application instruments itself
    needs: str = ""  # a program
    share: int = 1


SERVERS = (
    Server("gunicorn sync", "gunicorn", GUNICORN),
    Server("gunicorn sync --preload", "gunicorn", (*GUNICORN, "--preload"), share=BY_FORKS),
    Server("gunicorn gthread", "gunicorn", (*GUNICORN, "-k", "gthread", "--threads", "4")),
    Server("gunicorn gevent", "gunicorn", (*GUNICORN, "-k", "gevent")),
    # a worker that cannot answer its supervisor within 5 seconds, as one that starts on a busy machine, would be killed by that
    Server("uvicorn", "uvicorn", ("uvicorn", "--workers", "3", "--timeout-worker-healthcheck", "300", "--port", "{port}", ASGI)),
    Server("hypercorn", "hypercorn", ("hypercorn", "-w", "3", "-b", "127.0.0.1:{port}", ASGI), kept=True),
    Server("granian ASGI", "granian", (*GRANIAN, "asginl", ASGI), kept=True),
    Server("granian WSGI", "granian", (*GRANIAN, "wsgi", WSGI), kept=True),
    Server("waitress", "waitress", ("waitress-serve", "--listen=127.0.0.1:{port}", WSGI), kept=True),
    Server("uWSGI", "pyuwsgi", ("uwsgi", *UWSGI), itself=True, share=BY_FORKS),
    Server("uWSGI --lazy-apps --threads", "pyuwsgi", ("uwsgi", *UWSGI, "--lazy-apps", "--threads", "4"), itself=True),
    Server(
        "uWSGI of Debian", "", ("/usr/bin/uwsgi", "--plugin", "python3", "--virtualenv", str(DEBIAN), *UWSGI), itself=True,
        needs="/usr/bin/uwsgi", share=BY_FORKS,
    ),
    Server(
        "mod_wsgi of Debian", "", (
            "/usr/sbin/apache2", "-DFOREGROUND", "-d", "/etc/apache2", "-f", "/dev/null",
            *(word for line in APACHE for word in ("-C", line)),
        ), itself=True, needs="/usr/sbin/apache2",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Queue:
    """How workers of a queue in Redis are started; ``kept`` as above. Whoever does a job calls until it is killed."""

    name: str
    command: tuple[str, ...]
    kept: bool = False
    share: int = 1


QUEUES = (
    Queue("celery", ("celery", "-A", "queue_app", "worker", "-P", "prefork", "-c", "3"), share=BY_FORKS),
    Queue("rq", ("rq", "worker", "--url", "redis://127.0.0.1:{port}"), share=BY_FORKS),
    Queue("dramatiq", ("dramatiq", "queue_app", "--processes", "2", "--threads", "2"), kept=True),
    Queue("arq", ("arq", "queue_app.Worker"), kept=True),
)


@dataclass
class Tally:
    """What clients saw of one start of a service."""

    answered: int = 0
    failed: int = 0
    pids: deque[int] = field(default_factory=lambda: deque(maxlen=12))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, service: Service) -> None:
        reply = service.get("/call")
        with self.lock:
            if not reply:  # nothing, or a reply that was cut off with its worker
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


def version(one: Server | Queue) -> str:
    if isinstance(one, Queue):
        return metadata.version(one.name)
    if one.distribution:
        return metadata.version(one.distribution)
    package = {"/usr/bin/uwsgi": "uwsgi-core"}.get(one.needs, "libapache2-mod-wsgi-py3")
    asked = ["dpkg-query", "-W", "-f", "${Version}", package]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def start(service: Service, one: Server | Queue, port: int) -> None:
    from cluster_lab import BIN, HERE

    command = [word.format(port=port, home=service.folder) for word in one.command]
    if one.kept:
        command[0] = str(BIN / command[0])
        command = ["python", str(HERE / "kept_running.py"), str(BIN / "opentelemetry-instrument"), *command]
    service.start(*command, instrument=not one.kept and not getattr(one, "itself", False))


def shown(service: Service, least: int) -> int:
    """The calls on the page: as soon as there are ``least``, and again a second later, when none may have come twice."""
    from cluster_lab import counted

    found, until = -1, time.monotonic() + SILENCE
    while found < least and time.monotonic() < until:
        if (page := service.get("/metrics", service.metrics_port)) is not None:
            found = counted(page)
        time.sleep(0.1)
    time.sleep(1)
    page = service.get("/metrics", service.metrics_port)
    return found if page is None else counted(page)


def run(server: Server, kills: int, chance: random.Random) -> tuple[str, int, bool]:
    """What came of it, how many were killed, and whether nothing was lost."""
    from cluster_lab import Service

    if server.needs:
        make_debian()
    done = answered = starts = ended = 0
    lost: list[str] = []
    while done < kills and starts < MOST_STARTS:
        starts += 1
        with tempfile.TemporaryDirectory(prefix="otel-llm-kill-") as home:
            service = Service(Path(home))
            if server.itself:
                service.environment["SERVICE_INSTRUMENTS_ITSELF"] = "1"
            Path(home).chmod(0o1777)  # Apache's processes are nobody's
            start(service, server, service.port)
            try:
                service.ready()
                tally, killed = one(service, kills - done, chance)
                done += killed
                answered += tally.answered
                if service.process.poll() is not None:  # whoever knew is gone, and nobody shows a page
                    ended += 1
                    continue
                found = shown(service, tally.answered)
                if not tally.answered <= found <= tally.answered + tally.failed:
                    lost.append(f"{tally.answered} answered, {tally.failed} not, {found} shown")
            finally:
                service.stop()
    gone = f", {ended} of which ended with a worker" if ended else ""
    what = f"{done} kills, {answered} calls answered, {starts} start{'s' if starts > 1 else ''}{gone}"
    return f"{what}: {'; '.join(lost) or 'none lost'}", done, not lost


def one(service: Service, kills: int, chance: random.Random) -> tuple[Tally, int]:
    """Ask, and kill who answers, until there were so many kills, or nobody answers any more."""
    tally, over, killed = Tally(), threading.Event(), 0

    def ask() -> None:
        while not over.is_set():
            tally.ask(service)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    patience = Patience()
    while killed < kills:
        time.sleep(chance.uniform(0.01, 0.1))
        if patience.is_over(service, tally.answered):
            print(silence(service), file=sys.stderr, flush=True)
            break  # it does not bring its workers back
        if tally.pids:
            victim = chance.choice(tuple(tally.pids))
            with suppress(ProcessLookupError):
                if victim != service.process.pid and os.getsid(victim) == service.process.pid:  # nobody else's
                    os.kill(victim, signal.SIGKILL)
                    killed += 1
            tally.pids.clear()
    over.set()
    for client in clients:
        client.join()
    return tally, killed


def processes(service: Service) -> list[tuple[Path, str]]:
    """The living processes of a service, in /proc, each with its state: R runs or waits for a processor."""
    living = []
    for entry in sorted(Path("/proc").glob("[0-9]*")):
        with suppress(OSError):
            if os.getsid(int(entry.name)) == service.process.pid:
                living.append((entry, (entry / "stat").read_text().rpartition(") ")[2][0]))
    return living


class Patience:
    """How long a server is waited for that does not answer."""

    def __init__(self) -> None:
        self._answered = 0
        self._answer = self._work = time.monotonic()  # when there was one, of either

    def is_over(self, service: Service, answered: int) -> bool:
        now = time.monotonic()
        if answered > self._answered:
            self._answered, self._answer, self._work = answered, now, now
        elif now - self._answer < MOST_SILENCE and any(state == "R" for _, state in processes(service)):
            self._work = now  # on a busy machine it takes long to start, and that is no silence
        return now - self._work > SILENCE


def silence(service: Service) -> str:
    """What the processes of a service that no longer answers do: what each waits for in the kernel, and the end of the log."""
    lines = ["no answer any more, and nobody is at work:"]
    for entry, state in processes(service):
        with suppress(OSError):
            name = (entry / "comm").read_text().strip()
            lines.append(f"  {entry.name} {state} {(entry / 'wchan').read_text()} {name}")
    return "\n".join([*lines, *service.log.read_text(errors="replace").splitlines()[-20:]])


def work(queue: Queue, kills: int, chance: random.Random) -> tuple[str, int, bool]:
    """Kill whoever says that it calls, until there were so many kills, or nobody works any more."""
    from cluster_lab import BIN, HERE, Service, free_port
    from queue_names import BEGUN, DOOMED, OVER, RETURNED
    from redis import Redis
    from redis.exceptions import ConnectionError as NotYet

    port, killed = free_port(), 0
    server = subprocess.Popen(  # the package of its tools has the server, too, and starts none by itself
        ["redis-server", "--port", str(port), "--save", ""],
        executable=shutil.which("redis-check-rdb"),
        stdout=subprocess.DEVNULL,
    )
    kept = Redis(port=port)
    with tempfile.TemporaryDirectory(prefix="otel-llm-kill-") as home:
        service = Service(Path(home))
        service.environment |= {"QUEUE": queue.name, "REDIS_PORT": str(port)}

        def send(number: int) -> None:
            sent = [str(BIN / "python"), str(HERE / "queue_app.py"), str(number)]
            subprocess.run(sent, env=service.environment, capture_output=True, check=True)

        try:
            for _ in range(600):
                with suppress(NotYet):
                    if kept.ping():
                        break
                time.sleep(0.1)
            send(kills)
            start(service, queue, port)
            heard = time.monotonic()
            while killed < kills and time.monotonic() - heard < 3 * SILENCE:
                doomed = kept.blpop([DOOMED], timeout=5)
                if doomed is None:
                    send(5)  # jobs that a killed process had taken are not done
                    continue
                heard = time.monotonic()
                time.sleep(chance.uniform(0.0, 0.03))
                with suppress(ProcessLookupError):
                    os.kill(int(doomed[1]), signal.SIGKILL)
                    killed += 1
            kept.set(OVER, 1)
            returned = int(kept.get(RETURNED) or 0)
            found = shown(service, returned)
            begun = int(kept.get(BEGUN) or 0)
        finally:
            service.stop()
            server.kill()
            server.wait()
    good = returned <= found <= begun and returned > 0
    told = "none lost" if good else f"{found} shown, {begun} begun"
    return f"{killed} kills, {returned} calls returned: {told}", killed, good


def main(arguments: list[str]) -> int:
    """In the servers' own environment."""
    options = argparse.ArgumentParser(prog="tests/kill.py", description=__doc__)
    options.add_argument("--kills", type=int, default=2000, help="in all, over the servers and queues")
    options.add_argument("--seed", type=int, default=int(time.time()))
    options.add_argument("names", nargs="*", help="servers and queues by the beginning of their names")
    chosen = options.parse_args(arguments)
    if os.environ.get("OTEL_LLM_KILL") != "1":
        matrix.HOME.mkdir(exist_ok=True)
        python = matrix.environment(ROW)
        os.execve(python, [str(python), __file__, *arguments], {**os.environ, "OTEL_LLM_KILL": "1"})
    sys.path[:0] = [str(ROOT / "tests" / "cluster"), str(ROOT / "tests" / "support")]
    chance = random.Random(chosen.seed)
    all_of_them = (*SERVERS, *QUEUES)
    those = [one for one in all_of_them if one.name in chosen.names] or [
        one for one in all_of_them if not chosen.names or one.name.startswith(tuple(chosen.names))
    ]
    whole = sum(one.share for one in those)
    killed, good = 0, True
    for one_of_them in those:
        kills = -(-chosen.kills * one_of_them.share // whole)
        does = run if isinstance(one_of_them, Server) else work
        began = time.monotonic()
        told, done, kept = does(one_of_them, kills, chance)
        killed += done
        good &= kept
        print(f"{one_of_them.name} {version(one_of_them)}: {told} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{killed} kills, seed {chosen.seed}: {'nothing lost' if good else 'CALLS WERE LOST OR COUNTED TWICE'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
