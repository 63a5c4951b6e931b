"""What replies say of guardrails, through real clients: Azure's filters, moderation, Llama Guard, Bedrock's guardrails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import openai
import pytest

from otel_llm.calls import checks
from otel_llm.core.model import Response
from otel_llm.testing import Captured, capture
from otel_llm.testing.loopback import Loopback, Reply

HELLO: Any = [{"role": "user", "content": "hi"}]
SAFE = {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"filtered": False, "detected": False}}
UNSAFE = {**SAFE, "violence": {"filtered": True, "severity": "high"}}
Told = list[tuple[str, ...]]


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as loopback:
        yield loopback


@pytest.fixture
def seen() -> Iterator[Captured]:
    with capture("openai", "bedrock") as captured:
        yield captured


@pytest.fixture
def client(server: Loopback) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url + "/v1", api_key="test-key", max_retries=0) as made:
        yield made


@pytest.fixture
def bedrock(server: Loopback) -> Iterator[Any]:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test-key", "region_name": "us-east-1"}
    made = boto3.client("bedrock-runtime", endpoint_url=server.url, **keys)
    yield made
    made.close()


def told(seen: Captured) -> Told:
    """Provider, model, guardrail and result of the checks."""
    return [event.labels for event in seen.events if event.metric == checks.CHECKS]


def chat_reply(said: str, filters: Any = None, model: str = "gpt-x", output: Any = None) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}  # fmt: skip
    if filters is not None:
        body["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": filters}]
        choice["content_filter_results"] = output or SAFE
    return Reply.of_json(body)


@pytest.mark.parametrize(
    ("prompt", "output", "result"), [(SAFE, SAFE, "passed"), (UNSAFE, SAFE, "blocked"), (SAFE, UNSAFE, "blocked")]
)
def test_azure_says_what_its_filters_found(
    client: openai.OpenAI, server: Loopback, seen: Captured, prompt: Any, output: Any, result: str
) -> None:
    server.script = lambda _request: chat_reply("hello", prompt, output=output)
    client.chat.completions.create(model="gpt-x", messages=HELLO)
    assert told(seen) == [(seen.call.provider, "gpt-x", "content_filter", result)]


def test_a_stream_of_azures(client: openai.OpenAI, server: Loopback, seen: Captured) -> None:
    def event(**fields: Any) -> bytes:
        body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x", **fields}
        return f"data: {json.dumps(body)}\n\n".encode()

    first = event(choices=[], prompt_filter_results=[{"prompt_index": 0, "content_filter_results": SAFE}])
    ends = {"index": 0, "delta": {}, "finish_reason": "content_filter"}
    parts = [
        first,
        event(choices=[{"index": 0, "delta": {"content": "he"}, "finish_reason": None}]),
        event(choices=[ends]),
    ]
    server.script = lambda _request: Reply(
        200, {"content-type": "text/event-stream"}, events=[*parts, b"data: [DONE]\n\n"]
    )
    list(client.chat.completions.create(model="gpt-x", messages=HELLO, stream=True))
    assert [labels[2:] for labels in told(seen)] == [("content_filter", "blocked")]


def test_a_prompt_that_is_refused_by_a_filter_is_a_blocked_check(client: openai.OpenAI, seen: Captured) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="gpt-x-fail-400-filter", messages=HELLO)
    assert seen.call.error_type == "content_filter"
    assert [labels[2:] for labels in told(seen)] == [("content_filter", "blocked")]


def test_moderation(client: openai.OpenAI, server: Loopback, seen: Captured) -> None:
    for flagged in (False, True):
        result = {"flagged": flagged, "categories": {"violence": flagged}, "category_scores": {"violence": 0.9}}
        server.script = lambda _request, one=result: Reply.of_json(
            {"id": "m1", "model": "omni-moderation-x", "results": [one]}
        )
        client.moderations.create(model="omni-moderation-x", input="hello")
    assert [labels[1:] for labels in told(seen)] == [
        ("omni-moderation-x", "moderation", "passed"), ("omni-moderation-x", "moderation", "blocked"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "result"), [("safe", ["passed"]), ("\n\nunsafe\nS1,S2", ["blocked"]), ("I am not sure", [])]
)
def test_llama_guard(client: openai.OpenAI, server: Loopback, seen: Captured, said: str, result: list[str]) -> None:
    server.script = lambda _request: chat_reply(said, model="meta-llama/Llama-Guard-4-12B")
    client.chat.completions.create(model="meta-llama/Llama-Guard-4-12B", messages=HELLO)
    assert [labels[2:] for labels in told(seen)] == [("llama_guard", one) for one in result]


def test_calls_without_a_guardrail_have_no_checks(client: openai.OpenAI, seen: Captured) -> None:
    client.chat.completions.create(model="gpt-x", messages=HELLO)
    assert told(seen) == []


SAID = [{"role": "user", "content": [{"text": "hi"}]}]
GUARDRAIL = {"guardrailIdentifier": "gr-1", "guardrailVersion": "1", "trace": "enabled"}


def assessment(action: str, milliseconds: int) -> Any:
    found = {"match": "a name", "type": "NAME", "action": action}
    return {
        "sensitiveInformationPolicy": {"piiEntities": [found], "regexes": []},
        "invocationMetrics": {"guardrailProcessingLatency": milliseconds, "usage": {"topicPolicyUnits": 1}},
    }


def converse_reply(trace: Any) -> Reply:
    message = {"role": "assistant", "content": [{"text": "hello"}]}
    body = {"output": {"message": message}, "stopReason": "end_turn", "usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12},
            "metrics": {"latencyMs": 5}}  # fmt: skip
    return Reply.of_json(body if trace is None else {**body, "trace": {"guardrail": trace}})


@pytest.mark.parametrize(("action", "result"), [("BLOCKED", "blocked"), ("ANONYMIZED", "changed"), ("NONE", "passed")])
def test_bedrocks_guardrails_by_their_trace(
    bedrock: Any, server: Loopback, seen: Captured, action: str, result: str
) -> None:
    trace = {
        "inputAssessment": {"gr-1": assessment(action, 200)},
        "outputAssessments": {"gr-1": [assessment("NONE", 50)]},
    }
    server.script = lambda _request: converse_reply(trace)
    bedrock.converse(modelId="nova", messages=SAID, guardrailConfig=GUARDRAIL)
    assert told(seen) == [("aws.bedrock", "nova", "gr-1", result)]
    (took,) = [event for event in seen.events if event.metric == checks.DURATION]
    assert (took.labels, took.value) == (("aws.bedrock", "nova", "gr-1"), pytest.approx(0.25))


def test_bedrocks_guardrails_without_a_trace(bedrock: Any, seen: Captured) -> None:
    bedrock.converse(modelId="nova", messages=SAID, guardrailConfig=GUARDRAIL)
    bedrock.converse(modelId="nova-filter", messages=SAID, guardrailConfig=GUARDRAIL)
    bedrock.converse(modelId="nova", messages=SAID)
    assert [labels[1:] for labels in told(seen)] == [("nova", "gr-1", "passed"), ("nova-filter", "gr-1", "blocked")]


def test_a_guardrail_on_its_own_is_a_check_and_no_call(bedrock: Any, server: Loopback, seen: Captured) -> None:
    usage = dict.fromkeys(
        ("topicPolicyUnits", "contentPolicyUnits", "wordPolicyUnits", "sensitiveInformationPolicyUnits",
         "sensitiveInformationPolicyFreeUnits", "contextualGroundingPolicyUnits"), 1,
    )  # fmt: skip
    body = {
        "usage": usage,
        "action": "GUARDRAIL_INTERVENED",
        "outputs": [],
        "assessments": [assessment("BLOCKED", 100)],
    }
    for one in (
        body,
        {**body, "assessments": []},
        {**body, "action": "NONE", "assessments": [assessment("NONE", 100)]},
    ):
        server.script = lambda _request, reply=one: Reply.of_json(reply)
        bedrock.apply_guardrail(
            guardrailIdentifier="gr-2", guardrailVersion="1", source="INPUT", content=[{"text": {"text": "hello"}}]
        )
    assert [labels[2:] for labels in told(seen)] == [("gr-2", "blocked"), ("gr-2", "blocked"), ("gr-2", "passed")]
    assert seen.calls == []


def test_the_worst_of_several_checks_counts() -> None:
    response = Response()
    response.checked("a", "passed", 0.5)
    response.checked("a", "blocked")
    response.checked("a", "changed", 0.25)
    response.checked("b", "passed")
    assert response.checks == (("a", "blocked", 0.75), ("b", "passed", None))
