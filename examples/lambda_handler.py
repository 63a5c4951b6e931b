"""AWS Lambda: ``otel_llm.instrument()`` at the import, ``otel_llm.flush()`` before the answer, since nothing runs after it.

In the function's environment: ``OTEL_METRICS_EXPORTER=otlp``, ``OTEL_TRACES_EXPORTER=otlp``, ``OTEL_EXPORTER_OTLP_ENDPOINT`` and
``OTEL_LLM_METRICS_SERVER=off``; ``OTEL_LLM_STATE_DIR=/tmp/otel-llm``, as nothing else can be written there.
"""

from typing import Any

import openai

import otel_llm

otel_llm.instrument()
client = openai.OpenAI()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    try:
        with otel_llm.labels(tenant=event.get("tenant", "none")):
            reply = client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": event["question"]}]
            )
        return {"statusCode": 200, "body": reply.choices[0].message.content or ""}
    finally:
        otel_llm.flush(timeout=2)  # seconds; the function is frozen once it has answered
