"""The real anthropic client reads every shape of answer, and the tokens are those documented."""

from __future__ import annotations

import anthropic
import pytest

from otel_llm.testing.loopback import Loopback

HELLO = "Hello from the loopback server."
ASKED = [{"role": "user", "content": "Hello?"}]


@pytest.fixture
def client(server):
    with anthropic.Anthropic(base_url=server.url, api_key="test-key") as made:
        yield made


def ask(client, model, **options):
    return client.messages.create(model=model, max_tokens=50, messages=ASKED, **options)


def streamed(client, model):
    with client.messages.stream(model=model, max_tokens=50, messages=ASKED) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("way", [ask, streamed])
@pytest.mark.parametrize(
    ("model", "fresh", "read", "written", "out", "thought"),
    [
        ("claude", 100, 0, 0, 20, None),
        ("claude-thinking", 100, 0, 0, 84, 64),
        ("claude-cached", 60, 30, 10, 20, None),
        ("claude-thinking-cached", 60, 30, 10, 84, 64),
    ],
)
def test_input_excludes_the_cache_and_output_includes_thinking(client, way, model, fresh, read, written, out, thought):
    message = way(client, model)
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens) == (fresh, read)
    assert (usage.cache_creation_input_tokens, usage.output_tokens) == (written, out)
    assert (usage.output_tokens_details and usage.output_tokens_details.thinking_tokens) == thought
    assert (message.content[-1].text, message.stop_reason) == (HELLO, "end_turn")


def test_cache_writes_are_split_by_their_life(client):
    split = ask(client, "claude-cached").usage.cache_creation
    assert (split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens) == (6, 4)


def test_the_events_of_a_stream(client):
    events = list(ask(client, "claude-cached-thinking", stream=True))
    kinds = [event.type for event in events if event.type != "content_block_delta"]
    assert kinds == [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start, delta = events[0].message.usage, events[-2].usage
    assert (start.input_tokens, start.cache_read_input_tokens, start.output_tokens) == (60, 30, 1)
    assert (delta.input_tokens, delta.cache_read_input_tokens, delta.output_tokens) == (60, 30, 84)
    assert delta.output_tokens_details.thinking_tokens == 64
    deltas = [event.delta.type for event in events if event.type == "content_block_delta"]
    assert deltas == ["thinking_delta"] * 2 + ["signature_delta"] + ["text_delta"] * 5


def test_pings_are_on_the_wire(server):
    with anthropic.Anthropic(base_url=server.url, api_key="test-key") as client:
        raw = client.messages.with_raw_response.create(model="claude", max_tokens=5, messages=ASKED, stream=True)
        assert b'event: ping\ndata: {"type":"ping"}\n\n' in raw.http_response.read()


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("claude-length", "max_tokens"),
        ("claude-refusal", "refusal"),
        ("claude-filter", "refusal"),
        ("claude-tools", "tool_use"),
    ],
)
@pytest.mark.parametrize("way", [ask, streamed])
def test_why_a_message_ends(client, way, model, reason):
    assert way(client, model).stop_reason == reason


def test_a_tool_is_called_until_its_result_is_there(client):
    schema = {"type": "object", "properties": {"town": {"type": "string"}, "unit": {"enum": ["C", "F"]}}}
    tool = {"name": "forecast", "input_schema": schema}
    said = ask(client, "claude-tools", tools=[tool])
    assert (said.content[0].name, said.content[0].input) == ("forecast", {"town": "Paris", "unit": "C"})
    result = {"type": "tool_result", "tool_use_id": said.content[0].id, "content": "sun"}
    turns = [*ASKED, {"role": "assistant", "content": said.content}, {"role": "user", "content": [result]}]
    done = client.messages.create(model="claude-tools", max_tokens=5, messages=turns, tools=[tool])
    assert (done.stop_reason, done.content[0].text) == ("end_turn", HELLO)
    assert ask(client, "claude", tools=[tool], tool_choice={"type": "any"}).stop_reason == "tool_use"


@pytest.mark.parametrize("way", [ask, streamed])
def test_a_refusal_says_why(client, way):
    assert way(client, "claude-refusal").stop_details.category == "general_harms"
    assert way(client, "claude").stop_details is None


@pytest.mark.parametrize("way", [ask, streamed])
def test_searches_are_counted(client, way):
    message = way(client, "claude-search")
    assert message.usage.server_tool_use.web_search_requests == 2
    assert [block.type for block in message.content] == ["server_tool_use", "server_tool_use", "text"]


def test_a_fallback_names_both_models(client):
    fallbacks = [{"model": "claude-other"}]
    message = client.beta.messages.create(model="claude-fallback", max_tokens=5, messages=ASKED, fallbacks=fallbacks)
    assert (message.model, message.content[0].type) == ("claude-other", "fallback")
    assert (message.content[0].from_.model, message.content[0].to.model) == ("claude-fallback", "claude-other")
    assert [(i.type, i.model) for i in message.usage.iterations] == [
        ("message", "claude-fallback"),
        ("fallback_message", "claude-other"),
    ]


def test_no_usage_leaves_it_out(client):
    assert ask(client, "claude-nousage").usage is None


def test_token_counts_and_batches(client):
    assert client.messages.count_tokens(model="claude", messages=ASKED).input_tokens == 100
    made = client.messages.batches.create(requests=[])
    assert (made.processing_status, client.messages.batches.retrieve(made.id).processing_status) == (
        "in_progress",
        "ended",
    )
    results = list(client.messages.batches.results(made.id))
    assert results[0].result.message.usage.output_tokens == 20


@pytest.mark.parametrize(
    ("status", "kind", "tries"),
    [
        (400, anthropic.BadRequestError, 1),
        (401, anthropic.AuthenticationError, 1),
        (413, anthropic.APIStatusError, 1),
        (429, anthropic.RateLimitError, 3),
        (529, anthropic.InternalServerError, 3),
    ],
)
def test_refusals_are_the_clients_own_errors(client, server, status, kind, tries):
    with pytest.raises(kind) as caught:
        ask(client, f"fail-{status}")
    assert caught.value.request_id == f"req_{tries:08d}"
    assert len(server.requests) == tries


def test_rate_limits_are_in_the_headers(client):
    headers = client.messages.with_raw_response.create(model="claude", max_tokens=5, messages=ASKED).headers
    assert headers["anthropic-ratelimit-input-tokens-remaining"] == "39000"
    assert headers["anthropic-ratelimit-requests-limit"] == "50"


def test_an_error_in_a_stream_is_typed(client):
    with pytest.raises(anthropic.APIStatusError) as caught:
        list(ask(client, "claude-sse-error", stream=True))
    assert caught.value.type == "overloaded_error"


async def test_the_async_client():
    with Loopback() as server:
        async with (
            anthropic.AsyncAnthropic(base_url=server.url, api_key="test-key") as client,
            client.messages.stream(model="claude", max_tokens=5, messages=ASKED) as stream,
        ):
            assert "".join([text async for text in stream.text_stream]) == HELLO
