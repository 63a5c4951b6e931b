"""The main job end to end: a real client, our exporter, a real Prometheus; its numbers are what was sent."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SERVICE = """
import asyncio, os, sys
import anthropic, openai
url = os.environ["URL"]
hi = [{"role": "user", "content": "hi"}]
with openai.OpenAI(base_url=url + "/v1", api_key="test-key", max_retries=0) as client:
    for _ in range(7):
        client.chat.completions.create(model="gpt-4o", messages=hi)
    for _ in range(3):
        list(client.chat.completions.create(model="gpt-4o-cached", messages=hi, stream=True, stream_options={"include_usage": True}))
    for _ in range(2):
        try:
            client.chat.completions.create(model="gpt-4o-fail-429", messages=hi)
        except openai.RateLimitError:
            pass

async def more():
    async with anthropic.AsyncAnthropic(base_url=url, api_key="test-key") as client:
        await asyncio.gather(*[client.messages.create(model="claude-sonnet-4-5-thinking", max_tokens=9, messages=hi) for _ in range(5)])

asyncio.run(more())
print("ready", flush=True)
sys.stdin.read()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def query(tmp_path: Path, start: Any) -> Iterator[Any]:
    """A service that has made its calls, a Prometheus that has scraped it, and a function to ask that."""
    assert shutil.which("prometheus"), "install prometheus: this test is nothing without it"
    port, web = free_port(), free_port()
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "llm", "static_configs": [{"targets": [f"localhost:{port}"]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    service = start(SERVICE, OTEL_EXPORTER_PROMETHEUS_PORT=str(port))
    assert service.stdout.readline() == "ready\n"
    prometheus = subprocess.Popen(
        ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address=127.0.0.1:{web}", "--enable-feature=exemplar-storage"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    def ask(expression: str) -> dict[str, float]:
        url = f"http://127.0.0.1:{web}/api/v1/query?query={urllib.parse.quote(expression)}"
        with urllib.request.urlopen(url) as reply:
            found = json.load(reply)["data"]["result"]
        return {" ".join(sorted(row["metric"].values())): float(row["value"][1]) for row in found}

    try:
        _wait(prometheus, lambda: ask('up{job="llm"} == 1'))
        yield ask
    finally:
        prometheus.terminate()
        prometheus.communicate()
        service.communicate("")


def _wait(prometheus: Any, ready: Any) -> None:
    """Until Prometheus has scraped; its log is what paces us, so that nobody sleeps."""
    for line in prometheus.stderr:
        if "ready to receive" in line:
            break
    import time

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if ready():
            return
    raise AssertionError("Prometheus has scraped nothing within 30 s")


def test_prometheus_has_what_was_sent(query: Any) -> None:
    by_model = "by (gen_ai_request_model) "
    assert query(f"sum {by_model}(gen_ai_client_operation_duration_seconds_count)") == {
        "gpt-4o": 7, "gpt-4o-cached": 3, "gpt-4o-fail-429": 2, "claude-sonnet-4-5-thinking": 5,
    }  # fmt: skip
    assert query(f"sum {by_model}(gen_ai_client_token_usage_sum{{gen_ai_token_type='input'}})") == {
        "gpt-4o": 700, "gpt-4o-cached": 300, "claude-sonnet-4-5-thinking": 500,
    }  # fmt: skip
    assert query(f"sum {by_model}(gen_ai_client_inference_usage_reasoning_output_tokens_total) > 0") == {
        "claude-sonnet-4-5-thinking": 320
    }
    assert query(f"sum {by_model}(gen_ai_client_inference_usage_cache_read_input_tokens_total) > 0") == {
        "gpt-4o-cached": 90
    }
    assert query("sum by (error_type) (gen_ai_client_operation_duration_seconds_count{error_type!=''})") == {
        "rate_limit": 2
    }
    assert query("sum(gen_ai_client_operation_time_to_first_chunk_seconds_count)") == {"": 3}
    assert query("sum(otel_llm_in_flight_requests) or vector(0)") == {"": 0}
    assert query("sum by (gen_ai_provider_name) (otel_llm_requests_per_second > 0)").keys() == {"openai", "anthropic"}
    assert query("sum(otel_llm_internal_errors_total) or vector(0)") == {"": 0}
    assert query("max(otel_llm_latency_seconds{quantile='0.5'}) > 0")
