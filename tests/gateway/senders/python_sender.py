"""Calls of the openai and anthropic packages under OpenInference or OpenLLMetry: ``python_sender.py openinference|openllmetry``."""

from __future__ import annotations

import contextlib
import os
import sys

import anthropic
import openai
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
if sys.argv[1] == "openinference":
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor
else:
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument(tracer_provider=provider)
AnthropicInstrumentor().instrument(tracer_provider=provider)

messages = [{"role": "user", "content": "How is the weather?"}]
ours = openai.OpenAI(base_url=os.environ["PROVIDER"], api_key="test-key", max_retries=0)
for _ in range(5):
    ours.chat.completions.create(model="gpt-4o", messages=messages)
for _ in ours.chat.completions.create(
    model="gpt-4o", messages=messages, stream=True, stream_options={"include_usage": True}
):
    pass
ours.embeddings.create(model="text-embedding-3-small", input="weather")
with contextlib.suppress(openai.RateLimitError):
    ours.chat.completions.create(model="gpt-4o-refused", messages=messages)
theirs = anthropic.Anthropic(base_url=os.environ["PROVIDER"].removesuffix("/v1"), api_key="test-key", max_retries=0)
for _ in range(3):
    theirs.messages.create(model="claude-sonnet-4-5", max_tokens=50, messages=messages)
provider.shutdown()
