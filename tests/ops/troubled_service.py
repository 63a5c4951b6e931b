"""A service whose LLM calls go wrong on command: the real clients, the real exporter, a loopback provider.

Run as a program with the exporter's environment set. Reads lines from standard input: ``trouble`` or ``calm``.
"""

from __future__ import annotations

import contextlib
import sys
import threading

import anthropic
import openai

import otel_llm
from otel_llm.testing.loopback import Loopback, Reply, Request, Timing, answer, refuse

SLOW = ("gpt-5-mini", "gpt-5-nano")  # first called when the trouble begins: without a baseline they are no anomaly
SHORT, LONG = "gpt-4o", "gpt-5"
FAILING = ("gpt-4.1", "claude-haiku-4-5")  # half of their calls
AROUND = "gpt-4.1-mini"  # its cache misses, its calls fall back
PACE = 0.1  # seconds between two calls of one thread


class Mood:
    trouble = False


def script(request: Request) -> Reply:
    """What the provider says: about 200 tokens after 0.2 s on a good day."""
    if Mood.trouble and request.model in FAILING and request.number % 2:
        return refuse(request, 503)
    tokens = 150 + request.number * 37 % 101
    factor = {SHORT: 0.2, LONG: 1000}.get(request.model, 1) if Mood.trouble else 1
    return answer(request, Timing(first=1.5 if request.model in SLOW else 0.2, output_tokens=int(tokens * factor)))


def ask_openai(client: openai.OpenAI, model: str) -> None:
    client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Where is my order?"}])


def ask_anthropic(client: anthropic.Anthropic, model: str) -> None:
    client.messages.create(model=model, max_tokens=300, messages=[{"role": "user", "content": "Where is my order?"}])


def beside(model: str, *, spoiled: bool) -> None:
    """A call's surroundings: look-ups in a cache, and fallbacks."""
    otel_llm.record_cache(hit=not spoiled, cache="answers", provider="openai", model=model)
    if spoiled:
        otel_llm.record_fallback(from_model=model, to_model="gpt-4o-mini", reason="timeout", provider="openai")


def forever(ask, client, model: str, stop: threading.Event) -> None:
    while not stop.wait(PACE):
        if model in SLOW and not Mood.trouble:
            continue
        with contextlib.suppress(openai.APIStatusError, anthropic.APIStatusError):
            ask(client, model)
        if model == AROUND:
            beside(model, spoiled=Mood.trouble)


def main() -> None:
    otel_llm.instrument()
    stop = threading.Event()
    with Loopback() as server:
        server.script = script
        gpt = openai.OpenAI(base_url=server.url + "/v1", api_key="test-key", max_retries=0)
        claude = anthropic.Anthropic(base_url=server.url, api_key="test-key", max_retries=0)
        pairs = [(ask_openai, gpt, model) for model in (*SLOW, SHORT, LONG, FAILING[0], AROUND)]
        pairs.append((ask_anthropic, claude, FAILING[1]))
        # a slow call must not make a model rare
        threads = [threading.Thread(target=forever, args=(*pair, stop)) for pair in pairs for _ in range(2)]
        for thread in threads:
            thread.start()
        breaker = otel_llm.circuit_breaker("anthropic:chat")
        for line in sys.stdin:
            Mood.trouble = line.strip() == "trouble"
            breaker.opened() if Mood.trouble else breaker.closed()
        stop.set()
        for thread in threads:
            thread.join()
    otel_llm.uninstrument()


if __name__ == "__main__":
    main()
