"""``python -m otel_llm.testing.loopback [--port N]``: the server in a process of its own, which says its URL on its first line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from . import Loopback

_LAST_PORT = 65_535


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 (any free one) to {_LAST_PORT}, not {text!r}")
    return int(text)


def main() -> int:
    """Serve until SIGINT or SIGTERM; 2 if the port is taken."""
    options = argparse.ArgumentParser(prog="python -m otel_llm.testing.loopback", description=__doc__)
    options.add_argument("--port", type=_port, default=0, help="port on 127.0.0.1; 0, the default, takes a free one")
    chosen = options.parse_args()
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    try:
        server = Loopback(chosen.port).start()
    except OSError as error:
        sys.stderr.write(f"port {chosen.port} on 127.0.0.1 cannot be used: {os.strerror(error.errno or 0)}\n")
        return 2
    sys.stdout.write(server.url + "\n")
    sys.stdout.flush()
    over.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
