"""Senders that have no spans: log records and metrics, each call once whatever signals a service sends."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from gateway_lab import CHAT, START, Lab, pairs, request, span

from otel_llm.gateway.intake import Intake

INPUT, OUTPUT = (f"gen_ai_client_inference_usage_{kind}_tokens_total" for kind in ("input", "output"))
READ = "gen_ai_client_inference_usage_cache_read_input_tokens_total"


def logs(
    *records: dict[str, Any], service: str = "claude-code", scope: str = "com.anthropic.claude_code.events"
) -> bytes:
    resource = {"attributes": pairs({"service.name": service})}
    return json.dumps(
        {
            "resourceLogs": [
                {"resource": resource, "scopeLogs": [{"scope": {"name": scope}, "logRecords": list(records)}]}
            ]
        }
    ).encode()


def record(body: str, attributes: dict[str, Any], at: float = 0.0) -> dict[str, Any]:
    return {"timeUnixNano": str(START + int(at * 1e9)), "body": {"stringValue": body}, "attributes": pairs(attributes)}


def metrics(*named: dict[str, Any], service: str = "shop") -> bytes:
    resource = {"attributes": pairs({"service.name": service})}
    return json.dumps(
        {
            "resourceMetrics": [
                {"resource": resource, "scopeMetrics": [{"scope": {"name": "meter"}, "metrics": list(named)}]}
            ]
        }
    ).encode()


def histogram(
    name: str, total: float, count: int, at: int, *, temporality: int = 2, start: int = 0, **attributes: Any
) -> dict[str, Any]:
    told = {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.operation.name": "chat",
            **{key.replace("__", "."): value for key, value in attributes.items()}}  # fmt: skip
    point = {
        "startTimeUnixNano": str(start),
        "timeUnixNano": str(at),
        "sum": total,
        "count": str(count),
        "attributes": pairs(told),
    }
    return {"name": name, "histogram": {"aggregationTemporality": temporality, "dataPoints": [point]}}


API_REQUEST = {"event.name": "api_request", "model": "claude-sonnet-4-5", "input_tokens": "20", "output_tokens": "30",
               "duration_ms": "2500",
               "cache_read_tokens": "60", "cache_creation_tokens": "40", "cost_usd": "0.9", "request_id": "req_1"}  # fmt: skip


def test_claude_codes_records_are_calls_with_tokens_that_do_not_overlap(lab: Lab) -> None:
    body = logs(
        record("claude_code.api_request", API_REQUEST),
        record("claude_code.api_error", {"event.name": "api_error", "model": "claude-sonnet-4-5", "status_code": "529",
                                         "error": "Overloaded"}, 1.0),
        record("claude_code.user_prompt", {"event.name": "user_prompt", "prompt": "secret"}, 2.0),
    )  # fmt: skip
    lab.send(body, body, signal="logs")
    lab.settle()
    assert lab.calls("service_name", "outcome", "error_type") == {
        ("claude-code", "ok", ""): 1, ("claude-code", "failed", "overloaded"): 1,
    }  # fmt: skip
    assert [lab.values(name) for name in (INPUT, OUTPUT, READ)] == [{(): 120}, {(): 30}, {(): 60}]
    assert lab.values("otel_llm_cost_usd_total", "cost_source") == {("prices",): pytest.approx(0.000678)}


def test_of_codexs_records_only_the_end_of_a_stream_is_a_call(lab: Lab) -> None:
    def event(kind: str, **more: Any) -> dict[str, Any]:
        return record("", {"event.name": "codex.sse_event", "event.kind": kind, "model": "gpt-5", **more})

    done = event(
        "response.completed",
        input_token_count="120",
        output_token_count="30",
        cached_token_count=100,
        reasoning_token_count=12,
    )
    wrong = event("response.completed", **{"error.message": "status 429: slow down"})
    lab.send(logs(event("response.created"), done, wrong, service="codex_cli_rs", scope="codex"), signal="logs")
    lab.settle()
    assert lab.calls("gen_ai_provider_name", "outcome", "error_type") == {
        ("openai", "ok", ""): 1, ("openai", "failed", "rate_limit"): 1,
    }  # fmt: skip
    assert [lab.values(name) for name in (INPUT, OUTPUT, READ)] == [{(): 120}, {(): 30}, {(): 100}]


def test_the_conventions_event_is_a_call_unless_its_service_sends_spans(lab: Lab) -> None:
    told = record("", {"event.name": "gen_ai.client.inference.operation.details", **CHAT})
    lab.send(logs(told, service="copilot"), logs(told, service="shop"), signal="logs")
    lab.send(request(span(1, CHAT), service="shop"))
    lab.settle()
    assert lab.calls() == {("copilot",): 1, ("shop",): 1}
    assert lab.spans() == {"counted": 2, "other_signal": 1}


def test_histograms_are_as_many_calls_as_they_count_and_each_report_once(lab: Lab) -> None:
    now = time.time_ns()
    later = now + 60 * 10**9

    def report(at: int, calls: int) -> bytes:
        return metrics(
            histogram(
                "gen_ai.client.token.usage", 120.0 * calls + 1, calls, at, start=now, gen_ai__token__type="input"
            ),
            histogram("gen_ai.client.token.usage", 30.0 * calls, calls, at, start=now, gen_ai__token__type="output"),
            histogram(
                "gen_ai.client.token.usage", 100.0 * calls, calls, at, start=now, gen_ai__token__type="cached_input"
            ),
            histogram("gen_ai.client.operation.duration", 2.0 * calls, calls, at, start=now),
            histogram("http.client.duration", 9.0, 9, at, start=now),
        )

    first = report(now + 1, 3)
    lab.send(first, first, report(later, 5), signal="metrics")
    lab.settle()
    assert lab.calls("gen_ai_provider_name", "gen_ai_request_model") == {("openai", "gpt-4o"): 5}
    assert [lab.values(name) for name in (INPUT, OUTPUT)] == [{(): 601}, {(): 150}]
    assert lab.values("gen_ai_client_operation_duration_seconds_sum") == {(): pytest.approx(10.0)}


def test_failed_calls_of_a_histogram_keep_their_reason_and_deltas_count_once(lab: Lab) -> None:
    at = time.time_ns()
    body = metrics(
        histogram(
            "gen_ai.client.operation.duration", 4.0, 2, at, temporality=1, start=at - 10, error__type="RateLimitError"
        )
    )
    lab.send(body, body, signal="metrics")
    lab.settle()
    assert lab.calls("outcome", "error_type") == {("failed", "rate_limit"): 2}


def test_a_series_from_before_the_gateway_counts_from_its_second_report_on(lab: Lab) -> None:
    def report(calls: int, start: int) -> bytes:
        return metrics(histogram("gen_ai.client.operation.duration", 1.0 * calls, calls, time.time_ns(), start=start))

    lab.send(report(1000, 1), report(1002, 1), signal="metrics")
    lab.send(report(3, time.time_ns()), signal="metrics")  # the sender has begun anew
    lab.settle()
    assert lab.calls() == {("shop",): 5}


def test_claude_codes_sums_are_spend_where_it_sends_nothing_better(lab: Lab) -> None:
    at = time.time_ns()

    def total(name: str, value: float, **attributes: str) -> dict[str, Any]:
        point = {
            "startTimeUnixNano": str(at),
            "timeUnixNano": str(at + 1),
            "asDouble": value,
            "attributes": pairs({"model": "claude-sonnet-4-5", **attributes}),
        }
        return {"name": name, "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}}

    used = {"input": 20, "output": 30, "cacheRead": 60, "cacheCreation": 40}
    body = metrics(
        *(total("claude_code.token.usage", value, type=kind) for kind, value in used.items()),
        total("claude_code.cost.usage", 0.9),
        service="cc",
    )
    lab.send(body, signal="metrics")
    lab.settle()
    assert [lab.values(name, "service_name") for name in (INPUT, OUTPUT, READ)] == [
        {("cc",): 120},
        {("cc",): 30},
        {("cc",): 60},
    ]


def test_protobuf_says_the_same(lab: Lab) -> None:
    from google.protobuf import json_format
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    intake, at = Intake(lab.gateway), time.time_ns()
    bodies = (
        ("logs", logs(record("claude_code.api_request", API_REQUEST)), ExportLogsServiceRequest()),
        (
            "metrics",
            metrics(histogram("gen_ai.client.operation.duration", 3.0, 2, at, start=at)),
            ExportMetricsServiceRequest(),
        ),
    )
    for signal, body, message in bodies:
        json_format.Parse(body, message)
        intake.take(signal, message.SerializeToString(), is_json=False)
    lab.settle()
    assert lab.calls() == {("claude-code",): 1, ("shop",): 2}


def test_evaluations_of_other_services_are_counted_by_service(lab: Lab) -> None:
    result = {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.75, "gen_ai.evaluation.score.label": "good",
              "gen_ai.request.model": "gpt-4o", "gen_ai.provider.name": "openai"}  # fmt: skip
    first, nameless = record("gen_ai.evaluation.result", result), record("gen_ai.evaluation.result", {})
    Intake(lab.gateway).take("logs", logs(first, nameless, service="shop", scope="judge"), is_json=True)
    text = lab.gateway.member.text(openmetrics=False).decode()
    (line,) = [line for line in text.splitlines() if line.startswith("otel_llm_evaluations_total{")]
    assert line.endswith(" 1.0")
    for part in (
        'gen_ai_evaluation_name="relevance"',
        'gen_ai_evaluation_score_label="good"',
        'gen_ai_request_model="gpt-4o"',
        'service_name="shop"',
    ):
        assert part in line
    (total,) = [line for line in text.splitlines() if line.startswith("otel_llm_evaluation_score_sum{")]
    assert total.endswith(" 0.75")
