"""A program with another instrumentation in it, and with otel-llm or without: prints what its host saw, and what was counted.

Usage: ``python beside_program.py OTHER alone|first|last|removed|withdrawn``. ``first``: the other is there first; ``removed``: and
taken out before otel-llm comes; ``withdrawn``: taken out after.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

os.environ |= {
    "OTEL_LLM_METRICS_SERVER": "off",
    "OTEL_LLM_STATE_DIR": tempfile.mkdtemp(prefix="otel-llm-beside-"),
    "OTEL_METRICS_EXPORTER": "none",
    "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
    "DD_TRACE_ENABLED": "true",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "LANGSMITH_TRACING": "false",
    "MLFLOW_TRACKING_URI": "file://" + tempfile.mkdtemp(prefix="otel-llm-beside-"),
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_EXPERIMENT_ID": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BRAINTRUST_API_KEY": "",
    "LOGFIRE_IGNORE_NO_CONFIG": "1",
}

import anthropic
import openai
from beside_others import OTHERS
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_llm
from otel_llm.core.guard import Guard
from otel_llm.testing.loopback import Loopback

HELLO: Any = [{"role": "user", "content": "hi"}]
CHAT: Any = {"model": "gpt-4o", "messages": HELLO}
ASK: Any = {"model": "gpt-4o", "input": "hi"}
SAY: Any = {"model": "claude-x", "max_tokens": 9, "messages": HELLO}
USAGE: Any = {"stream": True, "stream_options": {"include_usage": True}}


def plain(value: Any) -> Any:
    """What the host has, to be compared."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude={"_request_id"})
    return value if isinstance(value, (str, int, float, list, dict, type(None))) else type(value).__name__


def managed(manager: Any) -> list[Any]:
    with manager as stream:
        return [plain(event) for event in stream]


def lines(manager: Any) -> list[str]:
    with manager as response:
        return list(response.iter_lines())


def parsed(manager: Any) -> Any:
    with manager as response:
        return plain(response.parse())


OPENAI: dict[str, Callable[[Any], Any]] = {
    "chat": lambda c: plain(c.chat.completions.create(**CHAT)),
    "chat stream": lambda c: [plain(chunk) for chunk in c.chat.completions.create(**CHAT, **USAGE)],
    "chat raw": lambda c: plain(c.chat.completions.with_raw_response.create(**CHAT).parse()),
    "chat raw stream": lambda c: [plain(x) for x in c.chat.completions.with_raw_response.create(**CHAT, **USAGE).parse()],
    "chat passed on": lambda c: lines(c.chat.completions.with_streaming_response.create(**CHAT, **USAGE)),
    "chat parsed late": lambda c: parsed(c.chat.completions.with_streaming_response.create(**CHAT)),
    "responses": lambda c: plain(c.responses.create(**ASK)),
    "responses stream": lambda c: [plain(event) for event in c.responses.create(**ASK, stream=True)],
    "embeddings": lambda c: plain(c.embeddings.create(model="text-embedding-3-small", input="hi")),
    "refused": lambda c: plain(c.chat.completions.create(model="gpt-4o-fail-400", messages=HELLO)),
}  # fmt: skip
ANTHROPIC: dict[str, Callable[[Any], Any]] = {
    "messages": lambda c: plain(c.messages.create(**SAY)),
    "messages stream": lambda c: [plain(event) for event in c.messages.create(**SAY, stream=True)],
    "messages manager": lambda c: managed(c.messages.stream(**SAY)),
    "messages raw": lambda c: plain(c.messages.with_raw_response.create(**SAY).parse()),
    "messages passed on": lambda c: lines(c.messages.with_streaming_response.create(**SAY, stream=True)),
    "messages parsed late": lambda c: parsed(c.messages.with_streaming_response.create(**SAY)),
    "beta": lambda c: plain(c.beta.messages.create(**SAY)),
    "refused": lambda c: plain(c.messages.create(**SAY | {"model": "claude-fail-400"})),
}


async def drained(pending: Any) -> list[Any]:
    return [plain(chunk) async for chunk in await pending]


async def amanaged(manager: Any) -> list[Any]:
    async with manager as stream:
        return [plain(event) async for event in stream]


async def alines(manager: Any) -> list[str]:
    async with manager as response:
        return [line async for line in response.iter_lines()]


async def aparsed(pending: Any) -> Any:
    response = (await pending).parse()
    return plain(await response if asyncio.iscoroutine(response) else response)


async def awaited(pending: Any) -> Any:
    return plain(await pending)


ASYNC_OPENAI: dict[str, Callable[[Any], Any]] = {
    "chat": lambda c: awaited(c.chat.completions.create(**CHAT)),
    "chat stream": lambda c: drained(c.chat.completions.create(**CHAT, **USAGE)),
    "chat raw": lambda c: aparsed(c.chat.completions.with_raw_response.create(**CHAT)),
    "chat passed on": lambda c: alines(c.chat.completions.with_streaming_response.create(**CHAT, **USAGE)),
    "responses": lambda c: awaited(c.responses.create(**ASK)),
    "responses stream": lambda c: drained(c.responses.create(**ASK, stream=True)),
    "embeddings": lambda c: awaited(c.embeddings.create(model="text-embedding-3-small", input="hi")),
    "refused": lambda c: awaited(c.chat.completions.create(model="gpt-4o-fail-400", messages=HELLO)),
}
ASYNC_ANTHROPIC: dict[str, Callable[[Any], Any]] = {
    "messages": lambda c: awaited(c.messages.create(**SAY)),
    "messages stream": lambda c: drained(c.messages.create(**SAY, stream=True)),
    "messages manager": lambda c: amanaged(c.messages.stream(**SAY)),
    "messages raw": lambda c: aparsed(c.messages.with_raw_response.create(**SAY)),
    "messages passed on": lambda c: alines(c.messages.with_streaming_response.create(**SAY, stream=True)),
    "refused": lambda c: awaited(c.messages.create(**SAY | {"model": "claude-fail-400"})),
}


def answered(ask: Callable[[Any], Any], client: Any) -> Any:
    try:
        return ask(client)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]}"


async def answered_later(ask: Callable[[Any], Any], client: Any) -> Any:
    try:
        return await ask(client)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]}"


def sync(clients: list[Any]) -> dict[str, Any]:
    asked = (("openai", clients[0], OPENAI), ("anthropic", clients[1], ANTHROPIC))
    return {f"{name} {what}": answered(ask, client) for name, client, asks in asked for what, ask in asks.items()}


async def later(clients: list[Any]) -> dict[str, Any]:
    asked = (("openai", clients[2], ASYNC_OPENAI), ("anthropic", clients[3], ASYNC_ANTHROPIC))
    return {
        f"async {name} {what}": await answered_later(ask, client)
        for name, client, asks in asked
        for what, ask in asks.items()
    }


def samples(metric: str) -> float:
    """The sum of a metric over all of its series."""
    from prometheus_client import generate_latest

    read = generate_latest().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in read if line.startswith((f"{metric}{{", f"{metric} ")))


def total(exporter: InMemorySpanExporter, attribute: str) -> int:
    """The sum of an attribute over all spans, whatever they are."""
    return sum(span.attributes.get(attribute, 0) for span in exporter.get_finished_spans())


def main(name: str, position: str) -> dict[str, Any]:
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    if "logfire" not in name and name != "stacked":  # which makes a provider itself
        provider = TracerProvider()
        provider.add_span_processor(processor)
        trace.set_tracer_provider(provider)
    other, out = OTHERS[name], None
    if position == "last":
        otel_llm.instrument()
    out = other.enter(processor)
    makers = openai.OpenAI, anthropic.Anthropic, openai.AsyncOpenAI, anthropic.AsyncAnthropic
    with Loopback() as server:
        urls = f"{server.url}/v1", server.url
        clients = [
            other.wrap(make(base_url=urls[at % 2], api_key="k", max_retries=0)) for at, make in enumerate(makers)
        ]
        if position == "removed" and out is not None:
            out()
        if position in ("first", "removed", "withdrawn"):
            otel_llm.instrument()
        if position == "withdrawn" and out is not None:
            out()
        seen = {**sync(clients), **asyncio.run(later(clients))}
        gc.collect()  # spans that their owner has forgotten
        spans = [span for span in exporter.get_finished_spans() if "gen_ai.operation.name" in span.attributes]
        return {
            "host": seen,
            "requests": len(server.requests),
            "removable": out is not None,
            "calls": samples("otel_llm_calls_total") if position != "alone" else 0,
            "durations": samples("gen_ai_client_operation_duration_seconds_count"),
            "tokens": samples("gen_ai_client_inference_usage_input_tokens_total"),
            "duplicates": samples("otel_llm_duplicate_spans_total"),
            "output": samples("gen_ai_client_inference_usage_output_tokens_total"),
            "inferences": len(spans),
            "told": total(exporter, "gen_ai.usage.input_tokens"),
            "told_output": total(exporter, "gen_ai.usage.output_tokens"),
            "errors": dict(Guard.errors),
        }


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("otel_llm").setLevel(logging.WARNING)
    print(json.dumps(main(*sys.argv[1:]), default=str))
    sys.stdout.flush()
    os._exit(0)
