"""Each call is counted once, whatever order, batch and process its spans come from."""

from __future__ import annotations

import time
from itertools import permutations
from pathlib import Path

import pytest
from gateway_lab import CHAT, Lab, failed, request, span

from otel_llm.outputs import alerts
from otel_llm.outputs.alerts import on_anomaly
from otel_llm.outputs.anomaly import Anomaly

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 240, "gen_ai.usage.output_tokens": 60}
USAGE = "gen_ai_client_inference_usage_{}_tokens_total"


def test_a_call_is_counted_after_it_was_held_with_tokens_and_cost(lab: Lab) -> None:
    lab.send(request(span(1, CHAT)))
    lab.settle(9.0)
    assert lab.calls() == {}
    lab.settle(1.5)
    assert lab.calls("service_name", "outcome", "gen_ai_request_model") == {("shop", "ok", "gpt-4o"): 1}
    assert [lab.values(USAGE.format(kind)) for kind in ("input", "output", "cache_read_input")] == [
        {(): 120},
        {(): 30},
        {(): 100},
    ]
    cost = lab.values("otel_llm_cost_usd_total", "service_name", "cost_source")
    assert cost == {("shop", "prices"): pytest.approx(20 * 2.5e-6 + 100 * 1.25e-6 + 30 * 10e-6)}


def test_a_batch_that_is_sent_again_counts_nothing(lab: Lab) -> None:
    body = request(span(1, CHAT), span(2, CHAT))
    lab.send(body, body)
    lab.settle()
    lab.send(body)
    lab.settle()
    assert lab.calls() == {("shop",): 2}
    assert lab.spans() == {"counted": 2, "repeated": 4}


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_innermost_inference_span_counts_in_any_order(tmp_path: Path, order: tuple[int, ...]) -> None:
    bodies = [
        request(span(1, AGENT, name="invoke_agent a"), scope="framework"),
        request(span(2, {**CHAT, "gen_ai.usage.input_tokens": 999}, parent=1), scope="framework"),
        request(span(3, name="POST", parent=2), scope="http"),
        request(span(4, CHAT, parent=3), scope="library"),
    ]
    lab = Lab(tmp_path)
    lab.send(*(bodies[number] for number in order))
    lab.settle()
    assert lab.values(USAGE.format("input")) == {(): 120}
    assert lab.spans() == {"counted": 1, "covered": 1, "other": 2}
    lab.gateway.stop()


def test_a_parent_that_ends_long_after_its_call_is_not_another_call(lab: Lab) -> None:
    lab.send(request(span(3, CHAT, parent=2), scope="library"))
    lab.settle()
    lab.send(request(span(2, CHAT, parent=1), scope="framework"))
    lab.settle()
    assert lab.calls() == {("shop",): 1}


@pytest.mark.parametrize("reverse", [False, True])
def test_a_proxys_span_and_its_callers_are_one_call_of_the_caller(lab: Lab, reverse: bool) -> None:
    caller = request(span(1, {**CHAT, "gen_ai.provider.name": "openai"}), service="shop")
    proxy = request(
        span(2, name="POST /v1/chat/completions", parent=1, kind=2),
        span(3, {**CHAT, "gen_ai.provider.name": "azure.ai.openai"}, parent=2),
        service="litellm", scope="litellm.proxy",
    )  # fmt: skip
    lab.send(*([proxy, caller] if reverse else [caller, proxy]))
    lab.settle()
    assert lab.calls("service_name", "gen_ai_provider_name") == {("shop", "azure.ai.openai"): 1}


def test_a_proxy_whose_callers_say_nothing_counts_for_itself(lab: Lab) -> None:
    lab.send(request(span(3, CHAT, parent=2, kind=2), service="agentgateway"))
    lab.settle()
    assert lab.calls() == {("agentgateway",): 1}


def test_two_instrumentations_of_one_call_are_told_by_the_answers_id(lab: Lab) -> None:
    told = {**CHAT, "gen_ai.response.id": "chatcmpl-7"}
    lab.send(
        request(span(1, told, parent=9), scope="one"),
        request(span(2, told, parent=9, start=0.1, seconds=0.8), scope="two"),
    )
    lab.send(request(span(3, told, parent=9, start=5.0), scope="one"))  # a server may repeat its ids
    lab.settle()
    assert lab.spans() == {"counted": 2, "doubled": 1}


def test_a_service_that_runs_otel_llm_counts_itself(lab: Lab) -> None:
    lab.send(request(span(2, CHAT, parent=1), scope="some.instrumentation"))
    lab.send(request(span(1, CHAT), scope="otel_llm"))
    lab.send(request(span(9, CHAT), service="other"))
    lab.settle()
    assert lab.calls() == {("other",): 1}
    assert lab.spans() == {"counted": 1, "own": 1, "self_counted": 1}


def test_a_stream_of_two_records_is_one_call_with_the_usage_of_the_second(lab: Lab) -> None:
    head = {key: value for key, value in CHAT.items() if "usage" not in key} | {"logfire.span_type": "span"}
    tail = {**CHAT, "logfire.span_type": "log", "gen_ai.response.finish_reasons": '["stop"]'}
    lab.send(request(span(1, head, parent=8, seconds=0.2), scope="logfire.openai"))
    lab.settle(60.0)
    assert lab.calls() == {}  # its usage may come yet
    name = "streaming response from {request_data[model]!r} took {duration:.2f}s"
    lab.send(request(span(2, tail, parent=8, start=3.0, seconds=0.0, name=name), scope="logfire.openai"))
    lab.settle()
    assert lab.calls("outcome") == {("ok",): 1}
    assert lab.values(USAGE.format("output")) == {(): 30}
    assert lab.values("gen_ai_client_operation_duration_seconds_sum") == {(): pytest.approx(3.0)}


def test_a_stream_without_its_second_record_is_a_call_whose_usage_is_unknown(lab: Lab) -> None:
    head = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.system": "openai",
        "logfire.span_type": "span",
    }
    lab.send(request(span(1, head), scope="logfire.openai"))
    lab.settle(121.0)
    assert lab.calls("outcome") == {("ok",): 1}
    assert lab.values("otel_llm_usage_unknown_total", "reason") == {("missing",): 1}


def test_attempts_that_were_made_again_are_retries_of_one_call(lab: Lab) -> None:
    asked = {
        "ai.operationId": "ai.generateText.doGenerate",
        "gen_ai.system": "openai.chat",
        "gen_ai.request.model": "gpt-4o",
    }
    wrong = failed("AI_APICallError", "status 429: slow down")
    used = {**asked, "ai.usage.inputTokens": 120, "ai.usage.outputTokens": 30}
    lab.send(request(span(2, {**asked, "http.response.status_code": 429}, parent=1, **wrong), scope="ai"))
    lab.settle(20.0)  # the next attempt comes late: the first one waits for it
    lab.send(request(span(3, used, parent=1, start=3.0, seconds=2.0), span(4, used, parent=1, start=6.0), scope="ai"))
    lab.settle()
    assert lab.calls("outcome") == {("ok",): 2}
    assert lab.values("otel_llm_retries_total", "reason", "service_name") == {("rate_limit", "shop"): 1}
    assert lab.values("gen_ai_client_operation_duration_seconds_sum") == {
        (): pytest.approx(6.0)
    }  # 0 to 5, and one of a second


def test_an_attempt_that_nobody_made_again_is_a_failed_call(lab: Lab) -> None:
    asked = {"ai.operationId": "ai.generateText.doGenerate", "gen_ai.system": "openai.chat", "gen_ai.request.model": "gpt-4o",
             "http.response.status_code": 429}  # fmt: skip
    lab.send(request(span(2, asked, parent=1, **failed("AI_APICallError")), scope="ai"))
    lab.send(request(span(1, {"ai.operationId": "ai.generateText"}, **failed("AI_RetryError")), scope="ai"))
    lab.settle()
    assert lab.calls("outcome", "error_type") == {("failed", "rate_limit"): 1}


@pytest.mark.parametrize(
    ("state", "attributes", "times"),
    [("ot=th:8", {}, 2), ("vendor=x,ot=th:c;rv:abc", {}, 4), ("ot=p:3", {}, 8), ("", {"SampleRate": 10}, 10),
     ("", {"_dd.rule_psr": 0.25}, 4)],
)  # fmt: skip
def test_a_sampled_span_stands_for_as_many_calls_as_it_says(
    lab: Lab, state: str, attributes: dict[str, float], times: int
) -> None:
    lab.send(request(span(1, {**CHAT, **attributes}, traceState=state)))
    lab.settle()
    assert lab.calls() == {("shop",): times}


@pytest.mark.parametrize("state", ["ot=th:zz", "ot=th:ffffffffffffff", "ot=p:63", "ot=p:x"])
def test_a_sampling_that_makes_no_sense_is_refused_and_counted(
    lab: Lab, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    lab.send(request(span(1, CHAT, traceState=state)))
    lab.settle()
    assert lab.calls() == {}
    assert lab.spans() == {"refused": 1}
    assert "how many calls they stand for" in caplog.text


def test_what_nobody_understands_is_counted_by_its_scope(lab: Lab) -> None:
    lab.send(request(span(1, {"gen_ai.system": "openai"}, name="something"), scope="odd.library"))
    lab.send(request(span(2, {"http.method": "GET"}, name="GET"), scope="http"))
    lab.settle()
    assert lab.values("otel_llm_gateway_ignored_spans_total", "scope") == {("odd.library",): 1}
    assert lab.spans() == {"other": 2}


def test_a_handler_hears_whose_call_is_unusual(lab: Lab) -> None:
    heard: list[Anomaly] = []
    stop = on_anomaly(heard.append, severity="warning")
    now = time.time_ns()

    def took(number: int, seconds: float, ago: float) -> dict[str, object]:
        end = now - int(ago * 1e9)
        return span(number, CHAT, trace=number) | {
            "startTimeUnixNano": str(end - int(seconds * 1e9)),
            "endTimeUnixNano": str(end),
        }

    lab.send(request(*(took(number, 1 + number % 10 / 100, 3000 - 9 * number) for number in range(1, 301))))
    lab.settle()
    lab.send(request(*(took(number, 300.0, 1.0) for number in range(400, 406))))
    lab.settle()
    lab.gateway.member.stats()
    lab.gateway.member._tick()
    alerts.drain(20.0)
    stop()
    assert {(one.type, one.model, one.detail.partition(",")[0]) for one in heard if one.type == "latency_spike"} == {
        ("latency_spike", "gpt-4o", "shop"),
    }  # fmt: skip
