"""Run every shell block of README and docs as it is printed, page by page, each in an environment that has only what its page installs.

Usage: ``python tests/printed.py [page ...]``. Environments are kept outside of the clone, in the user's cache, until what a page
installs changes: 3 minutes at first, 1 minute after that. Lines that start a service go on beside those that follow them. A block
that cannot run here says why in a comment before it, ``<!-- not run: why -->``, or names what else runs it, ``<!-- run by what -->``;
these are counted.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "docs")]
from docs_pages import Block, blocks  # noqa: E402 - the pages' own reader
from matrix import uv  # noqa: E402 - likewise

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "otel-llm-printed")
HOST = ("openai", "gunicorn", "uvicorn")  # what the reader's application has of its own
USUAL = "pip install 'otel-llm[cli]'"  # of a page that speaks of what is installed already
SERVES = re.compile(r"\b(opentelemetry-instrument|uvicorn|gunicorn|otel-llm gateway)\b")
STATE = re.compile(r"(cd|export|\.) ")  # lines that change what the next ones run in
PORTS = ("24F8", "1F40")  # 9464, and 8000 of web servers, as the kernel writes them
LISTENING = "0A"
SECONDS = 120.0
APP = """
import threading
import openai

def ask():
    openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])

class App:
    def __call__(self, environ, start_response):
        ask()
        start_response("200 OK", [])
        return [b"asked"]

class Asynchronous:
    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})

app = APP()
if __name__ == "__main__":
    ask()
    threading.Event().wait()
"""
SCRIPT = APP.partition("\nclass")[0] + "\nask()\n"


class FailedError(Exception):
    """A line did not do what its page says."""


def commands(block: Block) -> list[str]:
    """The commands of a block, each in one line."""
    text = block.code.replace("\\\n", " ")
    if block.kind == "console":
        text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("$ "))
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


class Page:
    """The blocks of one page, run one after the other in one directory, network and environment."""

    def __init__(self, page: Path, todo: list[Block], wheels: Path, home: Path) -> None:
        self.name = str(page.relative_to(ROOT))
        self.todo = todo
        self.home = home
        self.wheels = wheels
        self.running: list[tuple[str, subprocess.Popen[bytes], Path]] = []
        self.installs = [line for block in todo for line in commands(block) if line.startswith("pip install")] or [
            USUAL
        ]
        pins = (ROOT / "pyproject.toml").read_text("utf-8").partition("[dependency-groups]")[0]
        key = hashlib.sha256(repr((self.installs, HOST, sys.version_info[:2], pins)).encode()).hexdigest()[:16]
        self.env = CACHE / key

    def prepare(self) -> None:
        """An environment as the page makes it; where it is there already, with otel-llm as it is now."""
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON", "VIRTUAL"))
        }
        self.around = {
            **clean, "PATH": f"{self.env / 'bin'}:{os.environ['PATH']}", "PIP_FIND_LINKS": str(self.wheels), "PIP_QUIET": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1", "HOME": str(self.home / "home"), "TMPDIR": str(self.home / "tmp"), "NO_PROXY": "*",
        }  # fmt: skip
        if not any(
            "OPENAI_API_KEY" in block.code for block in self.todo
        ):  # a page that gives a key needs none of the reader's
            self.around |= {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": "http://127.0.0.1:8901/v1"}
        for name in ("home", "tmp"):
            (self.home / name).mkdir()
        wheel = next(self.wheels.glob("*.whl"))
        if not (self.env / "stamp").exists():
            shutil.rmtree(self.env, ignore_errors=True)
            CACHE.mkdir(parents=True, exist_ok=True)
            told(str(uv()), "venv", "-q", "--seed", "--python", sys.executable, str(self.env))
            told(str(uv()), "pip", "install", "-q", "--python", str(self.env / "bin" / "python"), *HOST)
            for line in self.installs:
                self.run(line, network=True)
            (self.env / "stamp").touch()
        told(
            str(uv()),
            "pip",
            "install",
            "-q",
            "--python",
            str(self.env / "bin" / "python"),
            "--no-deps",
            "--reinstall",
            str(wheel),
        )

    def play(self, network: int) -> None:
        """Run what is printed. Raises ``FailedError``."""
        self.network = network
        try:
            for block in self.todo:
                before: list[str] = []
                for line in commands(block):
                    if line.startswith("pip install"):
                        continue  # done: the environment is made by it
                    self.app(line)
                    self.run("\n".join([*before, line]))
                    if STATE.match(line):
                        before.append(line)
        finally:
            self.stop()

    def app(self, line: str) -> None:
        """The application that a line starts, as its server wants it."""
        kind = "Asynchronous" if "uvicorn" in line else "App"
        (self.home / "clone" / "app.py").write_text(APP.replace("APP()", f"{kind}()"), "utf-8")
        (self.home / "clone" / "script.py").write_text(SCRIPT, "utf-8")

    def run(self, line: str, *, network: bool = False) -> None:
        """Until it ends well, or serves."""
        last = line.rpartition("\n")[2]
        serves = bool(SERVES.search(last)) and not last.startswith("pip")
        if serves:
            self.stop()
        inside = [] if network else ["nsenter", f"--net=/proc/{self.network}/ns/net"]
        log = self.home / f"log-{len(list(self.home.glob('log-*')))}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*inside, "bash", "-ec", line], cwd=self.home / "clone", env=self.around, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self.running.append((last, process, log))
        until = time.monotonic() + SECONDS
        while process.poll() is None and not (serves and self.listens()):
            if time.monotonic() > until:
                raise FailedError(f"{last}: has not ended, nor does it serve\n{log.read_text()}")
            time.sleep(0.05)
        if process.returncode is not None:
            self.running.pop()
            said = log.read_text("utf-8", "replace")
            if process.returncode or "Traceback" in said:
                raise FailedError(f"{last}: ended with {process.returncode}\n{said}")

    def listens(self) -> bool:
        """Whether somebody listens on one of the ports that services have."""
        for name in ("tcp", "tcp6"):
            with suppress(OSError):
                for row in Path(f"/proc/{self.network}/net/{name}").read_text("ascii").splitlines()[1:]:
                    local, state = row.split()[1], row.split()[3]
                    if state == LISTENING and local.rpartition(":")[2] in PORTS:
                        return True
        return False

    def stop(self) -> None:
        """End the services that run. Raises ``FailedError`` where one of them has failed meanwhile."""
        failed = ""
        while self.running:
            line, process, log = self.running.pop()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            said = log.read_text("utf-8", "replace")
            if "Traceback" in said:
                failed = f"{line}:\n{said}"
        if failed:
            raise FailedError(failed)


def told(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@contextmanager
def network() -> Iterator[int]:
    """A network with nothing but a loopback, where the providers' stand-in is: the process that keeps it."""
    code = (
        "import fcntl, socket, struct; "
        "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 1)); "
        "from otel_llm.testing.loopback import Loopback; Loopback(8901).start(); print('up', flush=True); input()"
    )
    keeper = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "up\n"
        yield keeper.pid
    finally:
        keeper.kill()
        keeper.communicate()


def main(names: list[str]) -> int:
    """Run the pages called ``names`` (all by default), and sum up."""
    every = [
        block
        for block in blocks("sh", "console", "bash", "shell")
        if not names or str(block.page.relative_to(ROOT)) in names
    ]
    todo = [block for block in every if not block.skipped and not block.by]
    pages = list(dict.fromkeys(block.page for block in todo))
    failed = 0
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        print(f"{len(todo)} shell blocks are not run: they need a network of their own, which root can have")
        return 0
    with tempfile.TemporaryDirectory(prefix="otel-llm-printed-") as scratch:
        wheels = Path(scratch, "wheels")
        told(str(uv()), "build", "-q", "--wheel", "--out-dir", str(wheels), str(ROOT))
        for number, path in enumerate(pages):
            home = Path(scratch, str(number))
            shutil.copytree(
                ROOT,
                home / "clone",
                ignore=shutil.ignore_patterns(".git", ".venv*", "__pycache__", "dist", "site", ".*_cache", "*.png"),
            )
            page = Page(path, [block for block in todo if block.page == path], wheels, home)
            began = time.monotonic()
            try:
                page.prepare()
                with network() as keeper:
                    page.play(keeper)
                print(f"{page.name}: {len(page.todo)} blocks, {time.monotonic() - began:.0f} s", flush=True)
            except FailedError as error:
                failed += 1
                print(f"{page.name}: FAILED: {error}", flush=True)
    others, skipped = [block for block in every if block.by], [block for block in every if block.skipped]
    for block in (*others, *skipped):
        print(f"{block.id}: {f'run by {block.by}' if block.by else f'not run: {block.skipped}'}")
    print(
        f"{len(todo)} shell blocks of {len(pages)} pages run, {failed} pages failed; "
        f"{len(others)} are run by others, {len(skipped)} cannot run here"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
