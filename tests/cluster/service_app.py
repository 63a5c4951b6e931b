"""A service that makes an LLM call per request: WSGI, ASGI and Celery."""

from __future__ import annotations

import os
import time

from opentelemetry import trace
from prometheus_client import Counter

import otel_llm
from otel_llm.core import dispatch
from otel_llm.core.model import Observation

if os.environ.get("SERVICE_INSTRUMENTS_ITSELF"):
    otel_llm.instrument()
metrics, asgi_metrics = otel_llm.wsgi_app(), otel_llm.asgi_app()
requests = Counter("host_requests", "Requests of the host.") if os.environ.get("SERVICE_COUNTS") else None


def call() -> None:
    """A call: to the loopback server by a real client, or just the fact of one."""
    if requests is not None:
        requests.inc()
    if url := os.environ.get("LLM_URL"):
        import openai

        client = openai.OpenAI(base_url=f"{url}/v1", api_key="test-key", max_retries=0)
        client.chat.completions.create(model="gpt-4o", messages=[])
        return
    made = Observation(time.time(), "openai", "gpt-4o", "chat", "gpt-4o", "api.example", "", 0.25, output_tokens=3)
    if dollars := os.environ.get("SERVICE_CALL_USD"):
        made = made._replace(cost=float(dollars), cost_source="prices")
    dispatch.emit(made)


def run() -> None:
    """A run of an agent as a framework would trace it: two model calls and a tool. The process has no TracerProvider."""
    tracer = trace.get_tracer("framework")
    with tracer.start_as_current_span(
        "invoke_agent support", attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support"}
    ):
        call()
        with tracer.start_as_current_span(
            "execute_tool search", attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
        ):
            pass
        call()


def wsgi(environ, start_response):
    if environ["PATH_INFO"].startswith("/mounted"):
        return metrics(environ, start_response)
    if environ["PATH_INFO"] == "/call":
        call()
    if environ["PATH_INFO"] == "/run":
        run()
    pid = str(os.getpid())  # with its length, or a reply that is cut off would be the number of another process
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(pid)))])
    return [pid.encode()]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"].startswith("/mounted"):
        await asgi_metrics(scope, receive, send)
        return
    if scope["path"] == "/call":
        call()
    pid = str(os.getpid()).encode()
    headers = [(b"content-length", str(len(pid)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": pid})
