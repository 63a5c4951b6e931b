"""What runs in a container of the tests: so many calls, then answers to lines on standard input.

With ``forking``, two forked children make as many each, and end.

``page``: how many calls this container's own port shows, or why it does not. ``cost``: their dollars. ``call N``: makes N more.
``role``: what this process is. ``end``: ends it, as the end of its input does.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import struct
import sys
import urllib.request

import otel_llm
from otel_llm import Usage, runtime

CALLS = "gen_ai_client_operation_duration_seconds_count{"
COST = "otel_llm_cost_usd_total{"


def bring_up_loopback() -> None:
    """As a container's start does: a new network namespace has a loopback that is down."""
    with socket.socket() as any_socket:
        up = struct.pack("16sh", b"lo", 0x1)  # IFF_UP
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS


def total(name: str) -> float:
    port = runtime.current().config.port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def answer(question: str) -> str:
    try:
        if question == "page":
            return f"{total(CALLS):.0f}"
        if question.startswith("call "):
            make(int(question.removeprefix("call ")))
            return "made"
        if question == "cost":
            return f"{total(COST):.6f}"
    except OSError as error:
        return f"no page: {error}"
    return runtime.current().member.role


def make(calls: int) -> None:
    for _ in range(calls):
        with otel_llm.observe(provider="acme", model="acme-1") as call:
            call.response.usage = Usage(1_000_000, 0)


def main(calls: int, *, own_network: bool, forking: bool) -> None:
    logging.basicConfig(format="%(message)s")
    if own_network:
        bring_up_loopback()
    otel_llm.instrument()
    make(calls)
    for _ in range(2 * forking):
        if not (child := os.fork()):
            make(calls)
            os._exit(0)
        os.waitpid(child, 0)
    print("made", flush=True)
    for line in iter(sys.stdin.readline, ""):
        if line == "end\n":
            break
        print(answer(line.strip()), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), own_network="own-network" in sys.argv, forking="forking" in sys.argv)
