"""The real openai client reads every shape of answer, and the tokens are those documented."""

from __future__ import annotations

import asyncio
import base64

import openai
import pytest
from pydantic import BaseModel

from otel_llm.testing.loopback import Loopback

HELLO = "Hello from the loopback server."
ASKED = [{"role": "user", "content": "Hello?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "forecast",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}, "days": {"type": "integer"}}},
    },
}


class City(BaseModel):
    name: str
    people: int


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="test-key") as made:
        yield made


def counts(usage):
    return (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.prompt_tokens_details.cached_tokens,
        usage.completion_tokens_details.reasoning_tokens,
        usage.total_tokens,
    )


USAGES = [
    ("gpt", (100, 20, 0, 0, 120)),
    ("gpt-thinking", (100, 84, 0, 64, 184)),
    ("gpt-cached", (100, 20, 30, 0, 120)),
    ("gpt-thinking-cached", (100, 84, 30, 64, 184)),
]


@pytest.mark.parametrize(("model", "expected"), USAGES)
def test_chat_counts(client, model, expected):
    answer = client.chat.completions.create(model=model, messages=ASKED)
    assert (answer.model, answer.choices[0].message.content, answer.choices[0].finish_reason) == (model, HELLO, "stop")
    assert counts(answer.usage) == expected


@pytest.mark.parametrize(("model", "expected"), USAGES)
def test_a_chat_stream_counts_only_when_asked(client, model, expected):
    asked = client.chat.completions.create(
        model=model, messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(asked)
    assert counts(chunks[-1].usage) == expected
    assert (chunks[-1].choices, {chunk.usage for chunk in chunks[:-1]}) == ([], {None})
    unasked = list(client.chat.completions.create(model=model, messages=ASKED, stream=True))
    assert {chunk.usage for chunk in unasked} == {None}
    assert "".join(chunk.choices[0].delta.content or "" for chunk in unasked) == HELLO


def test_cache_writes_and_audio_are_parts_of_the_input(client):
    details = client.chat.completions.create(model="gpt-cached-audio-image", messages=ASKED).usage
    prompt = details.prompt_tokens_details
    assert (prompt.cache_write_tokens, prompt.audio_tokens, prompt.image_tokens) == (10, 40, 25)
    assert details.completion_tokens_details.audio_tokens == 15


@pytest.mark.parametrize(
    ("model", "reason"), [("gpt-length", "length"), ("gpt-filter", "content_filter"), ("gpt-tools", "tool_calls")]
)
@pytest.mark.parametrize("stream", [False, True])
def test_why_a_chat_ends(client, model, reason, stream):
    answer = client.chat.completions.create(model=model, messages=ASKED, stream=stream)
    assert (list(answer)[-1] if stream else answer).choices[0].finish_reason == reason


def test_no_usage_is_none(client):
    assert client.chat.completions.create(model="gpt-nousage", messages=ASKED).usage is None
    options = {"include_usage": True}
    stream = client.chat.completions.create(model="gpt-nousage", messages=ASKED, stream=True, stream_options=options)
    assert {chunk.usage for chunk in stream} == {None}


def test_a_tool_is_called_until_its_result_is_there(client):
    said = client.chat.completions.create(model="gpt-tools", messages=ASKED, tools=[WEATHER]).choices[0].message
    call = said.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("forecast", '{"town": "Paris", "days": 1}')
    result = {"role": "tool", "tool_call_id": call.id, "content": "sun"}
    done = client.chat.completions.create(model="gpt-tools", messages=[*ASKED, said, result], tools=[WEATHER])
    assert (done.choices[0].finish_reason, done.choices[0].message.content) == ("stop", HELLO)
    forced = client.chat.completions.create(model="gpt", messages=ASKED, tools=[WEATHER], tool_choice="required")
    assert forced.choices[0].finish_reason == "tool_calls"


def test_the_stream_helper_puts_a_tool_call_together(client):
    with client.chat.completions.stream(model="gpt-tools", messages=ASKED) as stream:
        stream.until_done()
        call = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Paris"}')


def test_a_refusal(client):
    message = client.chat.completions.create(model="gpt-refusal", messages=ASKED).choices[0].message
    assert (message.content, message.refusal) == (None, "I cannot help with that.")


def test_structured_answers_parse(client):
    chat = client.chat.completions.parse(model="gpt", messages=ASKED, response_format=City)
    assert chat.choices[0].message.parsed == City(name="Paris", people=1)
    assert client.responses.parse(model="gpt", input="x", text_format=City).output_parsed == City(
        name="Paris", people=1
    )


def test_several_choices_a_snapshot_and_a_fallback(client):
    assert [c.index for c in client.chat.completions.create(model="gpt", messages=ASKED, n=3).choices] == [0, 1, 2]
    assert client.chat.completions.create(model="gpt-dated", messages=ASKED).model == "gpt-dated-2026-01-15"
    assert client.chat.completions.create(model="gpt-fallback", messages=ASKED).model == "gpt-4o-mini"


@pytest.mark.parametrize(
    ("model", "cached", "written", "reasoning", "out"),
    [("gpt", 0, 0, 0, 20), ("gpt-thinking", 0, 0, 64, 84), ("gpt-cached", 30, 10, 0, 20)],
)
def test_responses_count_the_same_whole_and_streamed(client, model, cached, written, reasoning, out):
    whole = client.responses.create(model=model, input="Hello?")
    with client.responses.stream(model=model, input="Hello?") as stream:
        events = [event.type for event in stream]
        streamed = stream.get_final_response()
    for usage in (whole.usage, streamed.usage):
        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (100, out, 100 + out)
        assert usage.input_tokens_details.cached_tokens == cached
        assert usage.input_tokens_details.cache_write_tokens == written
        assert usage.output_tokens_details.reasoning_tokens == reasoning
    assert whole.output_text == streamed.output_text == HELLO
    assert (events[0], events[-1]) == ("response.created", "response.completed")
    assert events.count("response.output_text.delta") == 5


def test_the_events_of_a_response_are_numbered_and_complete(client):
    events = list(client.responses.create(model="gpt-thinking-search-tools", input="Hello?", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    done = [event.item.type for event in events if event.type == "response.output_item.done"]
    assert done == ["reasoning", "web_search_call", "web_search_call", "function_call"]
    arguments = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert "".join(arguments) == '{"city": "Paris"}'


@pytest.mark.parametrize(
    ("model", "status", "reason", "code"),
    [
        ("gpt-length", "incomplete", "max_output_tokens", None),
        ("gpt-filter", "incomplete", "content_filter", None),
        ("gpt-failed", "failed", None, "server_error"),
    ],
)
def test_a_response_that_does_not_complete(client, model, status, reason, code):
    last = list(client.responses.create(model=model, input="x", stream=True))[-1]
    assert last.type == f"response.{status}"
    for response in (last.response, client.responses.create(model=model, input="x")):
        assert response.status == status
        assert (response.incomplete_details and response.incomplete_details.reason) == reason
        assert (response.error and response.error.code) == code


def test_a_response_refuses_and_stops_calling_tools(client):
    refused = client.responses.create(model="gpt-refusal", input="x")
    assert refused.output[0].content[0].refusal == "I cannot help with that."
    result = [{"type": "function_call_output", "call_id": "c", "output": "sun"}]
    assert client.responses.create(model="gpt-tools", input=result).output_text == HELLO


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(client, encoding):
    answer = client.embeddings.create(model="e", input=["a", "b"], encoding_format=encoding)
    vector = [0.5, -0.25, 0.125]
    if encoding == "base64":
        vector = base64.b64encode(b"\0\0\0?\0\0\x80\xbe\0\0\0>").decode()
    assert [item.embedding for item in answer.data] == [vector, vector]
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (8, 8)


def test_images_audio_and_moderation(client):
    image = client.images.generate(model="gpt-image-1", prompt="x").usage
    assert (image.input_tokens, image.output_tokens) == (10, 1000)
    streamed = list(client.images.generate(model="gpt-image-1", prompt="x", stream=True))
    assert [event.type for event in streamed] == ["image_generation.partial_image", "image_generation.completed"]
    sound = ("a.wav", b"RIFF")
    tokens = client.audio.transcriptions.create(model="gpt-4o-transcribe", file=sound).usage
    assert (tokens.input_tokens, tokens.input_token_details.audio_tokens, tokens.output_tokens) == (14, 10, 3)
    assert client.audio.transcriptions.create(model="whisper-1", file=sound).usage.seconds == 3
    assert client.audio.speech.create(model="tts", voice="alloy", input="x").read().startswith(b"ID3")
    assert not client.moderations.create(model="m", input="x").results[0].flagged
    assert client.moderations.create(model="m-filter", input="x").results[0].flagged


def test_text_completions(client):
    options = {"include_usage": True}
    assert client.completions.create(model="m", prompt="x").usage.total_tokens == 120
    stream = list(client.completions.create(model="m", prompt="x", stream=True, stream_options=options))
    assert "".join(chunk.choices[0].text for chunk in stream[:-1]) == HELLO
    assert stream[-1].usage.total_tokens == 120


def test_batches_and_files_and_models(client):
    file = client.files.create(file=("b.jsonl", b"{}"), purpose="batch")
    made = client.batches.create(completion_window="24h", endpoint="/v1/chat/completions", input_file_id=file.id)
    assert (made.status, client.batches.retrieve(made.id).status) == ("validating", "completed")
    assert client.models.retrieve("gpt").id == "gpt"
    assert client.responses.input_tokens.count(model="gpt", input="x").input_tokens == 100


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_refusals_are_the_clients_own_errors(client, server, status, kind):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=f"fail-{status}", messages=ASKED)
    assert caught.value.request_id == f"req_{len(server.requests):08d}"
    assert len(server.requests) == (3 if status in (429, 500) else 1)


def test_retries_succeed_and_are_told_apart(client, server):
    assert client.chat.completions.create(model="fail-429-2", messages=ASKED).choices[0].message.content == HELLO
    assert [seen.headers["x-stainless-retry-count"] for seen in server.requests] == ["0", "1", "2"]


def test_a_quota_that_is_used_up_is_not_retried(client, server):
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="fail-429-quota", messages=ASKED)
    assert (caught.value.code, len(server.requests)) == ("insufficient_quota", 1)


def test_rate_limits_are_in_the_headers(client):
    headers = client.chat.completions.with_raw_response.create(model="gpt", messages=ASKED).headers
    assert headers["x-ratelimit-remaining-tokens"] == "199900"
    assert headers["openai-processing-ms"] == "42"


@pytest.mark.parametrize("model", ["gpt-sse-error", "gpt-cut-3"])
def test_a_stream_that_breaks_raises(client, model):
    stream = client.chat.completions.create(model=model, messages=ASKED, stream=True)
    with pytest.raises(openai.APIError):
        list(stream)


def test_hanging_is_a_timeout_and_dropping_a_lost_connection(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="test-key", max_retries=0, timeout=0.05) as client:
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="hang", messages=ASKED)
        with pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(model="drop", messages=ASKED)


async def test_the_async_client_streams_at_once():
    async def run(client):
        stream = await client.chat.completions.create(model="gpt", messages=ASKED, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    with Loopback() as server:
        async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="test-key") as client:
            assert await asyncio.gather(*(run(client) for _ in range(20))) == [HELLO] * 20


def test_azure_speaks_its_dialect(server):
    with openai.AzureOpenAI(azure_endpoint=server.url, api_key="test-key", api_version="2025-01-01") as client:
        answer = client.chat.completions.create(model="deployed", messages=ASKED)
        chunks = list(client.chat.completions.create(model="deployed", messages=ASKED, stream=True))
    assert server.requests[0].path == "/openai/deployments/deployed/chat/completions"
    assert answer.prompt_filter_results[0]["prompt_index"] == 0
    assert (chunks[0].choices, chunks[-1].choices[0].finish_reason) == ([], "stop")
