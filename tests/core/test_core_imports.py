"""A call's way imports nothing: not the first, not one that fails, and not where the process has no descriptor left."""

from __future__ import annotations

import json
from typing import Any

import pytest

IMPORTED = """
import json, os, sys
import otel_llm
from otel_llm import clients, observe
from otel_llm.cli.probe import _import, tried
from otel_llm.testing.loopback import Loopback

imported, on = [], []
ELSEWHERE = "/testing/", "/cli/", "/exposition/", "/cluster/"

def heard(event, args):
    if event == "import" and on:
        frame = sys._getframe(1)
        while "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        file = frame.f_code.co_filename
        if "/otel_llm/" in file and not any(room in file for room in ELSEWHERE):
            imported.append((on[0], file.rpartition("/otel_llm/")[2], args[0]))

def refused(module, url):
    if module.__name__ == "openai":
        return module.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0).chat.completions.create(model="m-fail-429", messages=[])
    return module.Anthropic(base_url=url, api_key="k", max_retries=0).messages.create(model="m-fail-429", max_tokens=9, messages=[])

def streamed(module, url):
    if module.__name__ == "openai":
        return list(module.OpenAI(base_url=url + "/v1", api_key="k").chat.completions.create(model="m", messages=[], stream=True))
    return list(module.Anthropic(base_url=url, api_key="k").messages.create(model="m", max_tokens=9, messages=[], stream=True))

otel_llm.instrument()
sys.addaudithook(heard)
calls = {}
for name in clients.NAMES:
    declared = clients.load(name)
    if declared.trial is not None and not _import(declared):
        asks = (declared.trial.ask, refused, streamed) if name in ("openai", "anthropic") else (declared.trial.ask,)
        on.append(name)
        calls[name] = sum(tried(declared.trial._replace(ask=ask))["calls"] for ask in asks)
        on.clear()
on.append("observe")
for failing in (False, True):
    try:
        with observe(provider="openai", model="gpt-4o") as call:
            call.response.usage = otel_llm.Usage(10, 5)
            1 / (not failing)
    except ZeroDivisionError:
        pass
on.clear()
print(json.dumps({"imported": imported, "calls": calls}), flush=True)
os._exit(0)  # some of the SDKs leave threads behind
"""
DESCRIPTORS = """
import json, logging, os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
ended = []
class Ended(SpanProcessor):
    def on_end(self, span):
        ended.append(span.attributes.get("otel_llm.cost.usd"))
provider = TracerProvider()
provider.add_span_processor(Ended())
trace.set_tracer_provider(provider)
logging.disable(logging.CRITICAL)
import otel_llm
otel_llm.instrument()
from otel_llm import observe
from otel_llm.core.guard import Guard
from prometheus_client import generate_latest

def calls():
    for failing in range(10):
        try:
            with observe(provider="openai", model="gpt-4o") as call:
                call.response.usage = otel_llm.Usage(1000, 100)
                if failing == 9:
                    raise ValueError
        except ValueError:
            pass

held = []
try:
    while True:
        held.append(open(os.devnull))
except OSError:
    pass
calls()
for each in held:
    each.close()
calls()
counted = [line.rpartition(" ")[2] for line in generate_latest().decode().splitlines() if line.startswith("otel_llm_calls_total{")]
print(json.dumps({"costs": ended, "counted": sum(map(float, counted)), "errors": Guard.errors}))
"""
INSTALLED = {"openai", "anthropic", "groq", "together", "cerebras", "writer", "mistral", "openrouter", "ollama", "cohere",
             "huggingface", "google_genai", "bedrock"}  # fmt: skip


@pytest.mark.timeout(300)  # all SDKs are imported
def test_nothing_is_imported(start: Any) -> None:
    service = start(IMPORTED, bare=True)
    out, err = service.communicate(timeout=280)
    assert service.returncode == 0, err
    printed = json.loads(out)
    assert printed["imported"] == []
    assert printed["calls"] == {name: 3 if name in ("openai", "anthropic") else 1 for name in INSTALLED}


def test_without_descriptors_nothing_is_lost(run: Any) -> None:
    printed = json.loads(run(DESCRIPTORS, bare=True).stdout)
    cost = pytest.approx((1000 * 2.5 + 100 * 10) / 1e6)  # gpt-4o's list price in the bundled table
    assert printed == {"costs": [cost] * 20, "counted": 20, "errors": {}}
