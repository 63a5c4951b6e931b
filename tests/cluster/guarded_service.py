"""A service of four workers that spend a dollar of a day's budget, each until it is refused; a killed one is replaced."""

from __future__ import annotations

import os
import signal
import sys

import openai

import otel_llm
from otel_llm import runtime

WORKERS = 4


def spend(client: openai.OpenAI) -> None:
    """Make calls, and say so after each, until the guard refuses one."""
    while True:
        try:
            client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "hello"}])
        except otel_llm.BudgetExceededError as error:
            os.write(1, f"{os.getpid()} refused {error.limit:g} {error.period}\n".encode())
            return
        os.write(1, f"{os.getpid()} answered\n".encode())


def worker(url: str) -> int:
    child = os.fork()
    if child == 0:
        spend(openai.OpenAI(base_url=f"{url}/v1", api_key="test-key"))
        otel_llm.flush()
        os._exit(0)
    return child


def main() -> None:
    url = sys.argv[1]
    otel_llm.instrument("openai")
    children = {worker(url) for _ in range(WORKERS)}
    while children:
        child, status = os.wait()
        children.discard(child)
        if os.waitstatus_to_exitcode(status) == -signal.SIGKILL:
            children.add(worker(url))
    spend(openai.OpenAI(base_url=f"{url}/v1", api_key="test-key"))  # what two that were refused at once have left
    running = runtime.current()
    assert running is not None
    text = running.endpoint.scrape("")[1].decode()
    sys.stdout.write(f"METRICS\n{text}")


main()
