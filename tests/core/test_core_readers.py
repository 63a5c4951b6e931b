"""Readers by themselves: what each word of a provider's reply becomes, number by number."""

from __future__ import annotations

import json
from types import SimpleNamespace as Of
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from otel_llm.clients import (
    _anthropic_usage,
    _bedrock_converse,
    _cohere_usage,
    _google_answer,
    _google_usage,
    _guardrails,
    _openai_any_chat,
    _openai_chat,
    _openai_responses,
    _openai_shape,
    _openai_usage,
    _read,
    anthropic,
)
from otel_llm.core.model import Response, Usage

LARGE = 2**53


def usage_of(read: Any, reported: Any, into: Response | None = None) -> Usage:
    """What ``read`` makes of it. A fresh response is read into, unless there is one."""
    into = into or Response()
    read(reported, into)
    assert into.usage is not None
    return into.usage


class TestOpenAIUsage:
    def test_all_of_a_chats(self) -> None:
        reported = {
            "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "cost": 0.5,
            "prompt_tokens_details": {
                "cached_tokens": 30, "cache_write_tokens": 10, "cache_write_tokens_details": {"ttl_12h_tokens": 7},
                "audio_tokens": 40, "image_tokens": 25,
            },
            "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 15, "image_tokens": 2},
        }  # fmt: skip
        assert usage_of(_openai_usage.read_usage, reported) == Usage(
            100, 20, 30, 10, cache_write_12h_tokens=7, thinking_tokens=4, input_audio_tokens=40, output_audio_tokens=15,
            input_image_tokens=25, output_image_tokens=2, input_text_tokens=35, output_text_tokens=3, cost_usd=0.5,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("reported", "expected"),
        [
            ({"prompt_tokens": 8, "completion_tokens": 0}, Usage(8, 0)),
            ({"prompt_tokens": None, "completion_tokens": 3}, Usage(None, 3)),
            ({"prompt_tokens": 8, "prompt_token_details": {"cached_tokens": 2}}, Usage(8, None, 2)),
            ({"prompt_tokens": 8, "prompt_cache_hit_tokens": 5}, Usage(8, None, 5)),
            ({"prompt_tokens": 8, "cached_tokens": 6}, Usage(8, None, 6)),
            ({"prompt_tokens": 8, "prompt_tokens_details": {"cached_tokens": 1}, "cached_tokens": 6}, Usage(8, None, 1)),
            ({"prompt_tokens": 8, "prompt_tokens_details": {"audio_tokens": 0}}, Usage(8)),
            ({"prompt_tokens": 8, "prompt_tokens_details": {"audio_tokens": 3}},
             Usage(8, input_audio_tokens=3, input_text_tokens=5)),
            ({"prompt_tokens": 8, "prompt_tokens_details": {"image_tokens": 9}},
             Usage(8, input_image_tokens=9, input_text_tokens=0)),
            ({"prompt_tokens": 8, "completion_tokens": 5, "completion_tokens_details": {"image_tokens": 2}},
             Usage(8, 5, output_image_tokens=2, output_text_tokens=3)),
            ({"prompt_tokens": LARGE, "completion_tokens": 5}, Usage(None, 5)),
            ({"prompt_tokens": -1, "completion_tokens": 5.0}, Usage(None, 5)),
            # thinking is in the completion, or, as the total shows, beside it
            ({"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30, "completion_tokens_details": {"reasoning_tokens": 7}},
             Usage(10, 20, thinking_tokens=7)),
            ({"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 37, "completion_tokens_details": {"reasoning_tokens": 7}},
             Usage(10, 27, thinking_tokens=7)),
            ({"prompt_tokens": 10, "total_tokens": 17, "completion_tokens_details": {"reasoning_tokens": 7}},
             Usage(10, None, thinking_tokens=7)),
            # money by the provider's own word
            ({"prompt_tokens": 1, "cost": 0.25, "is_byok": True, "cost_details": {"upstream_inference_cost": 2.0}},
             Usage(1, cost_usd=2.25)),
            ({"prompt_tokens": 1, "cost": 0.25, "is_byok": True}, Usage(1)),
            ({"prompt_tokens": 1, "cost": 0.25, "is_byok": False, "cost_details": {"upstream_inference_cost": 2.0}},
             Usage(1, cost_usd=0.25)),
            ({"prompt_tokens": 1, "cost": {"total_cost": 0.75}}, Usage(1, cost_usd=0.75)),
            ({"prompt_tokens": 1, "cost": {"total_cost": 0}}, Usage(1)),
            ({"prompt_tokens": 1, "cost_in_usd_ticks": 5e9}, Usage(1, cost_usd=0.5)),
            # embeddings and images of the other spelling
            ({"input_tokens": 9, "output_tokens": 4, "input_token_details": {"cached_tokens": 3}}, Usage(9, 4, 3)),
        ],
    )  # fmt: skip
    def test_words(self, reported: Any, expected: Usage) -> None:
        assert usage_of(_openai_usage.read_usage, reported) == expected
        assert usage_of(_openai_usage.read_usage, Of(**reported)) == expected

    @pytest.mark.parametrize(
        ("reported", "expected"),
        [
            ({"input_tokens": 9, "output_tokens": 4}, Usage(9, 4)),
            ({"seconds": 2.5}, Usage(audio_seconds=2.5)),
            ({"output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 1}},
             Usage(None, 4, thinking_tokens=3, output_audio_tokens=1, output_text_tokens=3)),
            ({"input_tokens": 9, "input_tokens_details": {"image_tokens": 2}, "cost": 1},
             Usage(9, input_image_tokens=2, input_text_tokens=7, cost_usd=1.0)),
        ],
    )  # fmt: skip
    def test_words_of_responses(self, reported: Any, expected: Usage) -> None:
        assert usage_of(_openai_usage.read_response_usage, reported) == expected

    @pytest.mark.parametrize(
        "reported", [None, {}, {"seconds": "long"}, {"input_tokens_details": {"cached_tokens": 3}}]
    )
    @pytest.mark.parametrize("read", [_openai_usage.read_usage, _openai_usage.read_response_usage])
    def test_what_counts_nothing_is_no_usage(self, read: Any, reported: Any) -> None:
        into = Response()
        read(reported, into)
        assert into.usage is None

    @pytest.mark.parametrize(
        ("reported", "expected"),
        [
            ({"input_tokens": 10, "output_tokens": 1000}, Usage(10, 1000, output_image_tokens=1000)),
            ({"input_tokens": 10, "output_tokens": 9, "output_tokens_details": {"image_tokens": 4}},
             Usage(10, 9, output_image_tokens=4, output_text_tokens=5)),
        ],
    )  # fmt: skip
    def test_images(self, reported: Any, expected: Usage) -> None:
        assert usage_of(_openai_usage.read_image_usage, reported) == expected

    def test_no_usage_of_images(self) -> None:
        into = Response()
        _openai_usage.read_image_usage(None, into)
        assert into.usage is None

    def test_head(self) -> None:
        into = Response()
        head = {"model": "m", "id": "i", "service_tier": "flex", "system_fingerprint": "fp"}
        _openai_usage.read_head(head, into)
        assert (into.model, into.id, into.service_tier) == ("m", "i", "flex")
        assert into.attributes == {"openai.response.system_fingerprint": "fp"}
        _openai_usage.read_head({"model": "n", "system_fingerprint": ""}, into)
        assert (into.model, into.id, into.service_tier) == ("n", None, "flex")


class TestOpenAIShape:
    def test_usage_only(self) -> None:
        into = Response()
        _openai_shape.EMBEDDINGS.value({"model": "e", "usage": {"prompt_tokens": 8, "completion_tokens": 0}}, into)
        assert (into.model, into.usage) == ("e", Usage(8, None))
        into = Response()  # who writes tokens all the same has them counted
        _openai_shape.EMBEDDINGS.value({"model": "e", "usage": {"prompt_tokens": 8, "completion_tokens": 3}}, into)
        assert into.usage == Usage(8, 3)
        into = Response()
        _openai_shape.TRANSCRIPTION.value({"model": "t", "usage": {"input_tokens": 8, "output_tokens": 3}}, into)
        assert (into.model, into.usage) == ("t", Usage(8, 3))
        into = Response()
        _openai_shape.EMBEDDINGS.value({"model": "e"}, into)
        assert (into.model, into.usage) == ("e", None)

    def test_images(self) -> None:
        into = Response()
        _openai_shape.IMAGES.value({"model": "g", "usage": {"input_tokens": 1, "output_tokens": 9}}, into)
        assert (into.model, into.usage) == ("g", Usage(1, 9, output_image_tokens=9))

    def test_nothing(self) -> None:
        into = Response()
        assert _openai_shape.NO_USAGE.value({"model": "g"}, into) is None
        assert into == Response()

    def test_which_readers_know_the_end_and_usage(self) -> None:
        terminal = {name for name, one in vars(_openai_shape).items() if getattr(one, "terminal", False) is True}
        silent = {name for name, one in vars(_openai_shape).items() if getattr(one, "usage", True) is False}
        assert (terminal, silent) == ({"CHAT", "RESPONSES"}, {"FETCHED", "NO_USAGE", "MODERATION"})


MESSAGE: dict[str, Any] = {"role": "assistant", "content": "Hello"}
PARTS = {"cached_tokens": 3, "audio_tokens": 0}
SPENT = {"reasoning_tokens": 2, "audio_tokens": 0}
COUNTS = {
    "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": PARTS, "completion_tokens_details": SPENT,
}  # fmt: skip


def completion(**changes: Any) -> ChatCompletion:
    body = {
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "m-1", "service_tier": "flex", "system_fingerprint": "fp",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": MESSAGE}], "usage": COUNTS,
    }  # fmt: skip
    return ChatCompletion.construct(**{**body, **changes})


class TestOpenAIChat:
    def both(self, reply: Any, content: list[Any] | None = None) -> tuple[bool, Response, Response]:
        """Whether the short way takes it, what it reads, and what the careful way reads."""
        short, careful = Response(content=content), Response(content=content)
        taken = _openai_chat.read_plain_chat(reply, short)
        _openai_any_chat.read_any_chat(reply, careful)
        return taken, short, careful

    def test_the_plain_one_is_read_in_one_frame(self) -> None:
        taken, short, careful = self.both(completion())
        assert taken
        assert short == careful
        assert (short.model, short.id, short.service_tier, short.finish_reasons) == ("m-1", "c-1", "flex", ["stop"])
        assert short.attributes == {"openai.response.system_fingerprint": "fp"}
        assert short.usage == Usage(10, 5, 3, thinking_tokens=2)

    @pytest.mark.parametrize(
        "counts",
        [
            {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": LARGE - 1}, {"prompt_tokens_details": None},
            {"completion_tokens_details": None}, {"prompt_tokens_details": {**PARTS, "cached_tokens": 0}},
            {"prompt_tokens_details": {**PARTS, "cached_tokens": None}}, {"prompt_tokens_details": {**PARTS, "cached_tokens": LARGE - 1}},
            {"completion_tokens_details": {**SPENT, "reasoning_tokens": 0}, "total_tokens": 15},
            {"completion_tokens_details": {**SPENT, "reasoning_tokens": None}},
            {"completion_tokens_details": {**SPENT, "reasoning_tokens": LARGE - 1}},
        ],
    )  # fmt: skip
    def test_plain_counts(self, counts: Any) -> None:
        taken, short, careful = self.both(completion(usage={**COUNTS, **counts}))
        assert taken
        assert short == careful

    @pytest.mark.parametrize(
        "counts",
        [
            {"prompt_tokens": LARGE}, {"prompt_tokens": -1}, {"completion_tokens": LARGE}, {"completion_tokens": -1},
            {"prompt_tokens": 1.5}, {"prompt_tokens_details": {**PARTS, "audio_tokens": 4}},
            {"prompt_tokens_details": {**PARTS, "image_tokens": 4}}, {"prompt_tokens_details": {**PARTS, "cache_write_tokens": 0}},
            {"prompt_tokens_details": {**PARTS, "cached_tokens": -1}}, {"prompt_tokens_details": {**PARTS, "cached_tokens": LARGE}},
            {"prompt_tokens_details": {**PARTS, "more": 1}}, {"completion_tokens_details": {**SPENT, "more": 1}},
            {"completion_tokens_details": {**SPENT, "audio_tokens": 4}}, {"completion_tokens_details": {**SPENT, "image_tokens": 4}},
            {"completion_tokens_details": {**SPENT, "reasoning_tokens": -1}},
            {"completion_tokens_details": {**SPENT, "reasoning_tokens": LARGE}}, {"total_tokens": 17}, {"cost": 0.5},
        ],
    )  # fmt: skip
    def test_others_go_the_careful_way(self, counts: Any) -> None:
        taken, short, careful = self.both(completion(usage={**COUNTS, **counts}))
        assert (taken, short) == (False, Response())
        assert careful.id == "c-1"
        read = Response()
        _openai_chat.read_chat(completion(usage={**COUNTS, **counts}), read)
        assert read == careful

    @pytest.mark.parametrize(
        "changes",
        [
            {"choices": []}, {"choices": None}, {"model": ""}, {"id": ""}, {"model": None}, {"model": "gpt-4o-search-preview"},
            {"model": "Llama-Guard-4"}, {"service_tier": ""}, {"system_fingerprint": ""}, {"usage": None},
            {"prompt_filter_results": []},
            {"choices": [{"index": 0, "finish_reason": "error", "message": MESSAGE}]},
            {"choices": [{"index": 0, "finish_reason": "", "message": MESSAGE}]},
            {"choices": [{"index": 0, "finish_reason": None, "message": MESSAGE}]},
            {"choices": [{"index": 0, "finish_reason": "stop", "message": {**MESSAGE, "refusal": "I will not."}}]},
            {"choices": [{"index": n, "finish_reason": "stop", "message": MESSAGE} for n in (0, 1)]},
        ],
    )  # fmt: skip
    def test_other_shapes_go_the_careful_way(self, changes: Any) -> None:
        taken, short, _ = self.both(completion(**changes))
        assert (taken, short.usage, short.finish_reasons) == (False, None, [])

    def test_kept_content_goes_the_careful_way(self) -> None:
        assert self.both(completion(), [])[0] is False

    def test_words_that_nobody_knows_are_no_other_shape(self) -> None:
        choice = {"index": 0, "finish_reason": "stop", "message": {**MESSAGE, "mood": "good"}}
        taken, short, careful = self.both(completion(region="eu", choices=[choice]))
        assert taken
        assert short == careful

    def test_a_refusal_that_the_library_has_no_field_for(self) -> None:
        reply = completion()
        message = reply.choices[0].message
        message.__dict__.pop("refusal", None)
        object.__setattr__(message, "__pydantic_extra__", {"refusal": "I will not."})
        taken, _, careful = self.both(reply)
        assert (taken, careful.refused) == (False, True)

    def test_a_tier_and_a_fingerprint_need_not_be_there(self) -> None:
        taken, short, careful = self.both(completion(service_tier=None, system_fingerprint=None))
        assert (taken, short.service_tier, short.attributes) == (True, None, {})
        assert short == careful

    def test_a_refusal_and_a_failure(self) -> None:
        read = Response()
        choice = {"index": 0, "finish_reason": "stop", "message": {**MESSAGE, "refusal": "I will not."}}
        _openai_chat.read_chat(completion(choices=[choice]), read)
        assert read.refused
        read = Response()
        choice = {"index": 0, "finish_reason": "error", "message": MESSAGE, "error": {"code": 502}}
        _openai_chat.read_chat(completion(choices=[choice]), read)
        assert (read.finish_reasons, read.error_code) == (["error"], "502")
        read = Response()
        _openai_chat.read_chat(completion(choices=[], usage=None, error={"message": "?"}), read)
        assert read.error_code == "server_error"


class TestOpenAIAnyChat:
    """What only the careful way reads."""

    def read(self, content: list[Any] | None = None, **changes: Any) -> Response:
        into = Response(content=content)
        _openai_any_chat.read_any_chat(completion(**changes), into)
        return into

    def test_messages_are_kept_where_they_are_asked_for(self) -> None:
        into = self.read([])
        assert into.content == [
            {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"}
        ]

    @pytest.mark.parametrize(("answer", "result"), [("safe", "passed"), ("unsafe\nS1", "blocked")])
    def test_a_guards_answer(self, answer: str, result: str) -> None:
        choice = {"index": 0, "finish_reason": "stop", "message": {**MESSAGE, "content": answer}}
        assert self.read(model="Llama-Guard-4", choices=[choice]).checks == (("llama_guard", result, None),)
        assert self.read(model="m-1", choices=[choice]).checks == ()

    @pytest.mark.parametrize(
        ("prompt", "choice", "result"), [(True, False, "blocked"), (False, True, "blocked"), (False, False, "passed")]
    )
    def test_azures_filters(self, prompt: bool, choice: bool, result: str) -> None:
        def filters(*, filtered: bool) -> Any:
            return {"content_filter_results": {"hate": {"filtered": filtered}}}

        answer = {"index": 0, "finish_reason": "stop", "message": MESSAGE, **filters(filtered=choice)}
        into = self.read(choices=[answer], prompt_filter_results=[filters(filtered=prompt)])
        assert into.checks == (("content_filter", result, None),)
        into = Response()
        _openai_any_chat.read_any_chunk(piece({"content": "a"}, prompt_filter_results=[filters(filtered=prompt)]), into)
        assert into.checks == (("content_filter", "blocked" if prompt else "passed", None),)

    def test_a_search_model_bills_its_search(self) -> None:
        into = self.read(model="gpt-4o-search-preview")
        assert (into.fees, into.usage) == ((("web_search", 1),), Usage(10, 5, 3, thinking_tokens=2, web_searches=1))
        assert self.read().fees == ()

    def test_an_error_beside_an_answer_is_none(self) -> None:
        assert self.read(error={"code": 500}).error_code is None
        assert self.read(choices=[], error=None).error_code is None
        assert self.read(choices=[], error={"code": 500}).error_code == "500"

    def test_the_code_of_a_failed_choice(self) -> None:
        into = Response()
        failed = {"choices": [Of(finish_reason="error", index=0, error={"code": 502}, delta=Of(content=""))], "id": "x"}
        _openai_any_chat.read_any_chunk(Of(**failed), into)
        assert (into.error_code, into.finish_reasons) == ("502", ["error"])
        into = Response()
        _openai_any_chat.read_any_chat({"choices": [], "error": {"code": 503}}, into)
        assert into.error_code == "503"


def piece(
    delta: Any = None, reason: Any = None, usage: Any = None, index: int = 0, **changes: Any
) -> ChatCompletionChunk:
    choices = [] if delta is None else [{"index": index, "finish_reason": reason, "logprobs": None, "delta": delta}]
    body = {
        "id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "service_tier": None, "system_fingerprint": None,
        "choices": choices, "usage": usage,
    }  # fmt: skip
    return ChatCompletionChunk.construct(**{**body, **changes})


class TestOpenAIChunks:
    @pytest.mark.parametrize(
        ("chunk", "output", "short"),
        [
            (piece({"content": "a"}), True, True),
            (piece({"content": ""}), False, True),
            (piece({"role": "assistant", "content": None}), False, True),
            (piece({}, "stop"), False, True),
            (piece({"content": "a"}, "length", index=1), True, True),
            (piece(None, usage=COUNTS), False, True),
            (piece({"content": None, "tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}), True, False),
            (piece({"content": None, "refusal": "I"}), True, False),
            (piece({"content": None, "reasoning_content": "hm"}), True, False),
            (piece({"content": None, "reasoning": "hm"}), True, False),
            (piece({"content": None, "audio": {"data": "x"}}), True, False),
            (piece({"content": None, "function_call": {"arguments": "{"}}), True, False),
            (piece({"content": "a"}, "error"), True, False),
            (piece({"content": "a"}, index=-1, reason="stop"), True, False),
            (piece({"content": "a"}, model="gpt-4o-search-preview"), True, False),
            (piece({"content": "a"}, prompt_filter_results=[]), True, False),
            (piece(None, usage={**COUNTS, "prompt_tokens": 1.5}), False, False),
        ],
    )  # fmt: skip
    def test_pieces(self, chunk: Any, output: bool, short: bool) -> None:
        plain, both, careful = Response(), Response(), Response()
        assert _openai_chat.read_plain_chunk(chunk, plain) == (output if short else None)
        assert _openai_chat.read_chat_chunk(chunk, both) is output
        assert _openai_any_chat.read_any_chunk(chunk, careful) is output
        assert both == careful

    def test_a_stream(self) -> None:
        into = Response()
        for one in (
            piece({"content": "a"}),
            piece({}, "stop"),
            piece({"content": "b"}, "length", index=1),
            piece(None, usage=COUNTS),
        ):
            assert into.done is False
            _openai_chat.read_chat_chunk(one, into)
        assert (into.done, into.finish_reasons, into.ends) == (True, ["stop", "length"], {0: "stop", 1: "length"})
        assert into.usage == Usage(10, 5, 3, thinking_tokens=2)

    def test_usage_beside_output_is_no_end(self) -> None:
        into = Response()
        _openai_chat.read_chat_chunk(piece({"content": "a"}, usage=COUNTS), into)
        assert (into.done, into.usage is not None) == (False, True)

    def test_a_search_model_bills_its_search(self) -> None:
        into = Response()
        _openai_chat.read_chat_chunk(piece({"content": "a"}, model="gpt-4o-search-preview"), into)
        _openai_chat.read_chat_chunk(piece(None, usage=COUNTS, model="gpt-4o-search-preview"), into)
        assert [name for name, _ in into.fees] != []

    def test_kept_content_goes_the_careful_way(self) -> None:
        assert _openai_chat.read_plain_chunk(piece({"content": "a"}), Response(content=[])) is None

    def test_of_completions(self) -> None:
        assert _openai_chat.read_chat_chunk(Of(id="x", choices=[Of(text="a", index=0, finish_reason=None)]), Response())
        assert not _openai_chat.read_chat_chunk(
            Of(id="x", choices=[Of(text="", index=0, finish_reason=None)]), Response()
        )


class TestResponses:
    def read(self, **fields: Any) -> Response:
        into = Response()
        _openai_responses.read_response({"id": "r-1", "model": "m-1", **fields}, into)
        return into

    @pytest.mark.parametrize(
        ("fields", "reasons", "error", "pending"),
        [
            ({"status": "completed", "output": []}, ["stop"], None, ""),
            ({"status": "completed", "output": [{"type": "function_call"}]}, ["tool_calls"], None, ""),
            ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, ["length"], None, ""),
            (
                {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
                ["content_filter"],
                None,
                "",
            ),
            ({"status": "incomplete"}, ["incomplete"], None, ""),
            ({"status": "failed", "error": {"code": "rate_limit_exceeded"}}, [], "rate_limit_exceeded", ""),
            ({"status": "failed"}, [], "server_error", ""),
            ({"status": "cancelled"}, [], "cancelled", ""),
            ({"status": "queued"}, [], None, "r-1"),
            ({"status": "in_progress"}, [], None, "r-1"),
        ],
    )
    def test_status(self, fields: Any, reasons: list[str], error: str | None, pending: str) -> None:
        into = self.read(**fields)
        assert (into.finish_reasons, into.error_code, into.pending, into.id) == (reasons, error, pending, "r-1")

    def test_what_comes_beside(self) -> None:
        into = self.read(
            status="completed", output=[{"type": "message", "content": [{"type": "refusal"}]}], usage={"input_tokens": 5},
            prompt_cache_diagnostics={"type": "cache_miss", "reason": "model_changed", "cache_missed_tokens": 70},
            conversation={"id": "conv-1"},
        )  # fmt: skip
        assert (into.refused, into.usage, into.cache_miss, into.cache_missed_tokens) == (
            True,
            Usage(5),
            "model_changed",
            70,
        )
        assert into.attributes == {"gen_ai.conversation.id": "conv-1"}
        hit = self.read(status="completed", prompt_cache_diagnostics={"type": "cache_hit", "reason": "x"})
        assert (hit.cache_miss, hit.refused, hit.attributes) == ("", False, {})

    @pytest.mark.parametrize(
        ("event", "output", "done"),
        [
            ({"type": "response.output_text.delta"}, True, False),
            ({"type": "response.function_call_arguments.delta"}, True, False),
            ({"type": "response.output_text.done"}, False, False),
            ({"type": "response.completed", "response": {"id": "r", "status": "completed"}}, False, True),
            ({"type": "response.incomplete", "response": {"id": "r", "status": "incomplete"}}, False, True),
            ({"type": "response.failed", "response": {"id": "r", "status": "failed"}}, False, True),
            ({"type": 7}, False, False),
        ],
    )
    def test_events(self, event: Any, output: bool, done: bool) -> None:
        into = Response()
        assert _openai_responses.read_response_event(event, into) is output
        assert (into.done, into.id) == (done, "r" if done else None)

    @pytest.mark.parametrize("kind", ["response.created", "response.queued"])
    def test_an_answer_is_pending_from_its_first_event(self, kind: str) -> None:
        into = Response()
        _openai_responses.read_response_event({"type": kind, "response": {"id": "r-1", "model": "m"}}, into)
        assert (into.pending, into.id, into.model) == ("r-1", "r-1", "m")

    @pytest.mark.parametrize(("code", "expected"), [("rate_limit", "rate_limit"), (None, "server_error")])
    def test_an_error(self, code: str | None, expected: str) -> None:
        into = Response()
        assert _openai_responses.read_response_event({"type": "error", "code": code}, into) is False
        assert (into.error_code, into.done) == (expected, False)

    def test_what_is_billed_beside_tokens(self) -> None:
        calls = [{"type": "file_search_call"}, {"type": "file_search_call"}, {"type": "message"}]
        assert self.read(status="completed", output=calls).fees == (("file_search", 2),)

    def test_one_that_was_made_before(self) -> None:
        into = Response()
        for kind, done in (("response.created", False), ("response.completed", True)):
            event = {"type": kind, "response": {"id": "r-1", "usage": {"input_tokens": 5}}}
            assert _openai_responses.read_fetched_event(event, into) is False
            assert (into.id, into.done, into.usage) == ("r-1", done, None)
        _openai_responses.read_fetched_event({"type": "response.output_text.delta", "response": {"id": "x"}}, into)
        assert into.id == "r-1"

    def test_images_and_transcripts(self) -> None:
        into = Response()
        assert _openai_responses.read_image_event(Of(type="image_generation.partial_image"), into) is True
        assert into.done is False
        usage = {"input_tokens": 1, "output_tokens": 9}
        assert _openai_responses.read_image_event(Of(type="image_generation.completed", usage=usage), into) is True
        assert (into.done, into.usage) == (True, Usage(1, 9, output_image_tokens=9))
        assert _openai_responses.read_image_event(Of(type=None), into) is False
        into = Response()
        assert _openai_responses.read_transcript_event(Of(type="transcript.text.delta"), into) is True
        assert (into.done, into.usage) == (False, None)
        assert _openai_responses.read_transcript_event(Of(type="transcript.text.done", usage=usage), into) is False
        assert (into.done, into.usage) == (True, Usage(1, 9))


class TestAnthropic:
    def test_all_of_a_usage(self) -> None:
        into = Response()
        reported = {
            "input_tokens": 60, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 10, "output_tokens": 20,
            "cache_creation": {"ephemeral_1h_input_tokens": 4}, "output_tokens_details": {"thinking_tokens": 7},
            "server_tool_use": {"web_search_requests": 2}, "service_tier": "priority", "inference_geo": "us",
        }  # fmt: skip
        expected = Usage(100, 20, 30, 10, cache_write_1h_tokens=4, thinking_tokens=7, web_searches=2)
        assert usage_of(_anthropic_usage.read_usage, reported, into) == expected
        assert (into.fees, into.service_tier, into.region, into.late) == ((("web_search", 2),), "priority", "us", None)
        assert usage_of(_anthropic_usage.read_usage, {"output_tokens": 25}, into) == Usage(
            100, 25, 30, 10, cache_write_1h_tokens=4, thinking_tokens=7, web_searches=2
        )
        assert (into.service_tier, into.region) == ("priority", "us")
        _anthropic_usage.read_usage({"speed": "fast"}, into)
        assert into.service_tier == "fast"
        _anthropic_usage.read_usage(None, into)
        assert into.usage is not None
        assert into.usage.output_tokens == 25

    @pytest.mark.parametrize(
        ("used", "fees"),
        [
            ({}, (("code_interpreter", 1),)), ({"web_search_requests": 0}, (("code_interpreter", 1),)),
            ({"web_search_requests": 3}, (("web_search", 3),)), ({"web_fetch_requests": 1}, ()),
        ],
    )  # fmt: skip
    def test_code_is_free_beside_the_web(self, used: Any, fees: Any) -> None:
        into = Response()
        _anthropic_usage.read_block(Of(type="server_tool_use", name="code_execution"), into)
        _anthropic_usage.read_usage({"input_tokens": 1, "server_tool_use": used}, into)
        assert into.fees == fees

    def test_other_tools_are_free(self) -> None:
        into = Response()
        _anthropic_usage.read_block(Of(type="server_tool_use", name="web_search"), into)
        _anthropic_usage.read_block(Of(type="tool_use", name="code_execution"), into)
        assert into.fees == ()

    @pytest.mark.parametrize("name", ["from_", "from"])
    def test_another_model_answered(self, name: str) -> None:
        into = Response()
        block = Of(**{"type": "fallback", name: {"model": "a"}, "to": {"model": "b"}, "trigger": {"type": "refusal"}})
        _anthropic_usage.read_block(block, into)
        assert into.fallback == ("a", "b", "refusal")
        _anthropic_usage.read_block(Of(type="fallback"), into)
        assert into.fallback == ("", "", "")

    def test_several_requests(self) -> None:
        into = Response()
        parts = [
            {"type": "message", "input_tokens": 50, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 3, "output_tokens": 5},
            {"type": "compaction", "input_tokens": 20, "cache_read_input_tokens": 6, "cache_creation_input_tokens": 4, "output_tokens": 8,
             "cache_creation": {"ephemeral_1h_input_tokens": 2}},
        ]  # fmt: skip
        _anthropic_usage.read_usage({"input_tokens": 10, "output_tokens": 1, "iterations": parts}, into)
        assert into.late is not None
        into.late(into)
        assert into.usage == Usage(40, 9, 6, 4, cache_write_1h_tokens=2, longest=93)

    def test_a_message(self) -> None:
        into = Response(content=[])
        blocks = [Of(type="text", text="Hello"), Of(type="server_tool_use", name="code_execution", id="t", input={})]
        diagnostics = {"cache_miss_reason": {"type": "model_changed", "cache_missed_input_tokens": 70}}
        message = Of(
            id="m-1", model="claude", stop_reason="end_turn", content=blocks, usage={"input_tokens": 9, "output_tokens": 1},
            diagnostics=diagnostics,
        )  # fmt: skip
        anthropic.read_message(message, into)
        assert (into.id, into.model, into.finish_reasons, into.usage) == ("m-1", "claude", ["end_turn"], Usage(9, 1))
        assert (into.cache_miss, into.cache_missed_tokens, into.fees) == (
            "model_changed",
            70,
            (("code_interpreter", 1),),
        )
        assert into.content is not None
        assert (into.content[0]["finish_reason"], into.content[0]["parts"][0]) == (
            "end_turn",
            {"type": "text", "content": "Hello"},
        )

    def test_the_last_words_of_a_stream(self) -> None:
        into = Response(content=[{"role": "assistant", "parts": [], "finish_reason": ""}])
        delta = {"stop_reason": "max_tokens", "diagnostics": {"cache_miss_reason": {"type": "expired"}}}
        assert not anthropic.read_event(Of(type="message_delta", delta=delta, usage=None), into)
        assert (into.finish_reasons, into.cache_miss, into.cache_missed_tokens) == (["max_tokens"], "expired", None)
        assert into.content is not None
        assert into.content[0]["finish_reason"] == "max_tokens"

    def test_who_answers_and_where(self) -> None:
        named: Any = type("AnthropicBedrock", (), {})
        assert anthropic._provider(named(), "by host") == "aws.bedrock"
        assert anthropic._provider(Of(), "by host") == "by host"
        assert anthropic._provider(Of(_gen_ai_provider_name="gcp.vertex_ai"), "by host") == "gcp.vertex_ai"
        assert anthropic._provider(Of(_gen_ai_provider_name="anthropic"), "by host") == "by host"
        assert anthropic._provider(Of(_gen_ai_provider_name=7), "by host") == "by host"
        client = Of(aws_region="eu-1", region="us-5")
        assert anthropic._region(client, {"inference_geo": "us"}) == "us"
        assert anthropic._region(client, {}) == "eu-1"
        assert anthropic._region(Of(region="us-5"), {}) == "us-5"
        assert anthropic._region(Of(), {}) is None

    def test_requests_that_count_nothing_add_nothing(self) -> None:
        into = Response()
        _anthropic_usage.read_usage(
            {"input_tokens": 10, "iterations": [{"type": "message"}, {"type": "compaction"}]}, into
        )
        assert into.late is not None
        into.late(into)
        assert into.usage == Usage(10, 0, longest=10)  # the call's own request is one

    def test_a_stream(self) -> None:
        into = Response()
        message = Of(
            id="m-1", model="claude", usage={"input_tokens": 9, "output_tokens": 1}, stop_reason=None, content=[]
        )
        assert anthropic.read_event(Of(type="message_start", message=message), into) is False
        assert (into.id, into.model, into.usage, into.finish_reasons) == ("m-1", "claude", Usage(9, 1), [])
        for kind in ("text_delta", "input_json_delta", "thinking_delta", "signature_delta"):
            assert anthropic.read_event(Of(type="content_block_delta", delta=Of(type=kind, text="a")), into)
        assert not anthropic.read_event(Of(type="content_block_start", content_block=Of(type="text")), into)
        assert not anthropic.read_event(
            Of(type="message_delta", delta=Of(stop_reason="end_turn"), usage={"output_tokens": 5}), into
        )
        assert (into.finish_reasons, into.usage, into.done) == (["end_turn"], Usage(9, 5), False)
        assert not anthropic.read_event(Of(type="message_delta", delta=Of(stop_reason=None)), into)
        assert into.finish_reasons == ["end_turn"]
        assert not anthropic.read_event(Of(type="message_stop"), into)
        assert into.done


class TestGoogle:
    def test_all_of_a_usage(self) -> None:
        into = Response()
        reported = {
            "prompt_token_count": 90, "candidates_token_count": 20, "thoughts_token_count": 7, "tool_use_prompt_token_count": 10,
            "cached_content_token_count": 30, "traffic_type": "ON_DEMAND_FLEX",
            "prompt_tokens_details": [{"modality": "TEXT", "token_count": 50}, {"modality": "audio", "token_count": 25},
                                      {"modality": Of(value="IMAGE"), "token_count": 10}, {"modality": "VIDEO", "tokens": 5}],
            "cache_tokens_details": [{"modality": "AUDIO", "token_count": 3}, {"modality": "IMAGE", "token_count": 2}],
            "candidates_tokens_details": [{"modality": "TEXT", "token_count": 5}, {"modality": "AUDIO", "token_count": 9},
                                          {"modality": "IMAGE", "token_count": 6}],
        }  # fmt: skip
        assert usage_of(_google_usage.read_usage, reported, into) == Usage(
            100, 27, 30, thinking_tokens=7, input_text_tokens=50, input_audio_tokens=25, input_image_tokens=10, input_video_tokens=5,
            cache_audio_read_tokens=3, cache_image_read_tokens=2, output_text_tokens=5, output_audio_tokens=9, output_image_tokens=6,
        )  # fmt: skip
        assert into.service_tier == "flex"

    @pytest.mark.parametrize(
        ("reported", "expected"),
        [
            ({"prompt_token_count": 9}, Usage(9)),
            ({"response_token_count": 4}, Usage(None, 4)),
            ({"candidates_token_count": 3, "response_token_count": 4}, Usage(None, 3)),
            ({"tool_use_prompt_token_count": 2}, Usage(2)),
            ({"prompt_token_count": 9, "prompt_tokens_details": [{"modality": "TEXT", "token_count": 9}]}, Usage(9)),
            ({"response_token_count": 4, "response_tokens_details": [{"modality": "AUDIO", "token_count": 4}]},
             Usage(None, 4, output_audio_tokens=4)),
        ],
    )  # fmt: skip
    def test_words(self, reported: Any, expected: Usage) -> None:
        assert usage_of(_google_usage.read_usage, reported) == expected

    def test_a_request_adds_to_those_before(self) -> None:
        into = Response(earlier=Usage(10, 5))
        usage = usage_of(_google_usage.read_usage, {"prompt_token_count": 20, "candidates_token_count": 1}, into)
        assert (usage.input_tokens, usage.output_tokens, usage.longest) == (30, 6, 20)

    @pytest.mark.parametrize("reported", [{}, {"cached_content_token_count": 3}])
    def test_what_counts_nothing_is_no_usage(self, reported: Any) -> None:
        for read in (_google_usage.read_usage, _google_usage.read_interaction_usage):
            into = Response()
            read(reported, into)
            assert into.usage is None

    @pytest.mark.parametrize(
        ("traffic", "tier"), [("ON_DEMAND", "standard"), ("ON_DEMAND_PRIORITY", "priority"), ("NEW", "was")]
    )
    def test_tiers(self, traffic: str, tier: str) -> None:
        into = Response(service_tier="was")
        _google_usage.read_usage({"prompt_token_count": 9, "traffic_type": traffic}, into)
        assert into.service_tier == tier

    def test_interactions(self) -> None:
        into = Response()
        reported = {
            "total_input_tokens": 90, "total_output_tokens": 20, "total_thought_tokens": 7, "total_tool_use_tokens": 10,
            "total_cached_tokens": 30, "grounding_tool_count": [{"type": "google_search", "count": 2}, {"type": "other", "count": 5}],
            "input_tokens_by_modality": [{"modality": "audio", "tokens": 40}],
        }  # fmt: skip
        expected = Usage(100, 27, 30, thinking_tokens=7, web_searches=2, input_audio_tokens=40)
        assert usage_of(_google_usage.read_interaction_usage, reported, into) == expected
        assert into.fees == (("grounding", 2),)

    def test_a_search_without_a_number_is_none(self) -> None:
        into = Response()
        searches = [{"type": "google_search"}]
        _google_usage.read_interaction_usage({"total_input_tokens": 9, "grounding_tool_count": searches}, into)
        assert (into.usage, into.fees) == (Usage(9), ())

    @pytest.mark.parametrize(
        ("reply", "tokens"),
        [
            ({"usage_metadata": {"prompt_token_count": 8}}, 8),
            ({"embeddings": [{"statistics": {"token_count": 3}}, {"statistics": {"token_count": 4}}]}, 7),
            ({"embeddings": [{"statistics": {"token_count": 3}}, {}]}, None),
            ({"embeddings": []}, None),
        ],
    )
    def test_embeddings(self, reply: Any, tokens: int | None) -> None:
        into = Response()
        _google_usage.read_embedding_usage(reply, into)
        assert into.usage == (None if tokens is None else Usage(tokens))

    def test_an_answer(self) -> None:
        into = Response()
        reply = {
            "model_version": "gemini-2", "response_id": "g-1", "usage_metadata": {"prompt_token_count": 9},
            "candidates": [{"index": 1, "finish_reason": Of(value="STOP"), "content": {"parts": [1]}}],
            "sdk_http_response": {"headers": {"x-gemini-service-tier": "flex"}},
        }  # fmt: skip
        _google_answer.read_content(reply, into)
        assert (into.model, into.id, into.ends, into.usage, into.service_tier) == (
            "gemini-2",
            "g-1",
            {1: "STOP"},
            Usage(9),
            "flex",
        )

    def test_a_prompt_that_was_blocked(self) -> None:
        into = Response()
        _google_answer.read_content({"prompt_feedback": {"block_reason": "SAFETY"}}, into)
        assert (into.ends, into.finish_reasons) == ({-1: "SAFETY"}, ["SAFETY"])

    def test_chunks_and_a_second_request(self) -> None:
        into = Response()

        def chunk(answer: str, parts: Any, reason: str | None = None, tokens: int | None = None) -> bool:
            usage = None if tokens is None else {"prompt_token_count": tokens}
            candidate = {"content": {"parts": parts}, "finish_reason": reason}
            return _google_answer.read_chunk(
                {"response_id": answer, "candidates": [candidate], "usage_metadata": usage}, into
            )

        assert chunk("a", ["x"]) is True
        assert chunk("a", []) is False
        assert (into.requests, into.usage) == (1, None)
        chunk("a", [], "STOP", 10)
        assert (into.requests, into.finish_reasons, into.usage) == (1, ["STOP"], Usage(10))
        chunk("a", [], None, 10)  # its last words
        assert (into.requests, into.finish_reasons) == (1, ["STOP"])
        chunk("b", ["y"], None, 20)
        assert (into.requests, into.finish_reasons, into.earlier) == (2, [], Usage(10))
        chunk("c", ["y"], "STOP", 21)
        assert (into.requests, into.usage) == (2, Usage(31, longest=21))

    def test_grounding_is_a_fee_of_each_request_once(self) -> None:
        searched = {
            "model_version": "gemini-3-pro", "candidates": [{"grounding_metadata": {"web_search_queries": ["a", "b"]}}]
        }  # fmt: skip
        whole, one_by_one, chunks = Response(), Response(requests=1), Response()
        _google_answer.read_content(searched, whole)
        _google_answer.read_content(searched, one_by_one)
        _google_answer.read_chunk(searched, chunks)
        _google_answer.read_chunk({"model_version": "gemini-3-pro"}, chunks)
        assert (whole.fees, one_by_one.fees, chunks.fees) == ((("grounding", 2),), (), (("grounding", 2),))

    def test_one_of_several_requests(self) -> None:
        into = Response(fees=(("grounding", 1.0),), model="was")
        _google_answer.read_part({"usage_metadata": {"prompt_token_count": 9}, "model_version": "gemini-2"}, into)
        assert (into.usage, into.model, into.earlier_fees) == (Usage(9), "gemini-2", (("grounding", 1.0),))
        _google_answer.read_part({}, into)
        assert into.model == "gemini-2"


class TestBedrock:
    def test_an_answer(self) -> None:
        into = Response()
        reply = {
            "stopReason": "end_turn", "serviceTier": {"type": "flex"},
            "trace": {"promptRouter": {"invokedModelId": "amazon.nova-lite-v1:0"}},
            "usage": {"inputTokens": 60, "outputTokens": 20, "cacheReadInputTokens": 30, "cacheWriteInputTokens": 10,
                      "cacheDetails": [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 6}]},
        }  # fmt: skip
        _bedrock_converse.read_converse(reply, into)
        assert into.usage == Usage(100, 20, 30, 10, cache_write_1h_tokens=4)
        assert (into.finish_reasons, into.service_tier) == (["end_turn"], "flex")
        assert into.fallback is not None
        assert (into.model, into.fallback[0], into.fallback[1:]) == (
            into.fallback[1],
            "",
            (into.model, "prompt_router"),
        )

    @pytest.mark.parametrize(
        ("reported", "expected"),
        [
            ({"inputTokens": 5}, Usage(5)),
            ({"outputTokens": 5}, Usage(None, 5)),
            ({"inputTokens": 0, "outputTokens": 0}, Usage(0, 0)),
        ],
    )
    def test_words(self, reported: Any, expected: Usage) -> None:
        assert usage_of(_bedrock_converse.read_usage, reported) == expected

    def test_no_usage(self) -> None:
        into = Response()
        _bedrock_converse.read_usage({"cacheReadInputTokens": 3}, into)
        assert (into.usage, into.finish_reasons) == (None, [])

    @pytest.mark.parametrize(
        ("params", "tier"),
        [
            ({"serviceTier": "flex"}, "flex"), ({"serviceTier": {"type": "priority"}}, "priority"), ({}, None),
            ({"performanceConfigLatency": "optimized"}, "optimized"), ({"performanceConfig": {"latency": "optimized"}}, "optimized"),
            ({"serviceTier": "flex", "performanceConfig": {"latency": "standard"}}, "flex"),
        ],
    )  # fmt: skip
    def test_tiers(self, params: Any, tier: str | None) -> None:
        assert _bedrock_converse.asked_tier(params) == tier

    @staticmethod
    def event(kind: str | None, body: Any = None, **headers: str) -> Any:
        named = {} if kind is None else {":event-type": kind}
        return Of(headers={**named, **headers}, payload=json.dumps(body).encode())

    def test_a_stream(self) -> None:
        into, read = Response(), _bedrock_converse.read_event
        assert read(Of(headers={":event-type": "contentBlockDelta"}, payload=b"not even parsed"), into) is True
        assert read(self.event("messageStart", {"role": "assistant"}), into) is False
        assert read(self.event("messageStop", {"stopReason": "max_tokens"}), into) is False
        assert (into.finish_reasons, into.done) == (["max_tokens"], False)
        assert read(self.event("metadata", {"usage": {"inputTokens": 5, "outputTokens": 6}}), into) is False
        assert (into.usage, into.done) == (Usage(5, 6), True)

    def test_messages_are_kept_where_they_are_asked_for(self) -> None:
        into = Response(content=[])
        message = {"role": "assistant", "content": [{"text": "Hello"}]}
        _bedrock_converse.read_converse({"stopReason": "end_turn", "output": {"message": message}}, into)
        kept = [{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "end_turn"}]
        assert into.content == kept
        into = Response(content=[])
        for kind, body in (
            ("messageStart", {"role": "assistant"}),
            ("contentBlockDelta", {"delta": {"text": "Hel"}, "contentBlockIndex": 0}),
            ("contentBlockDelta", {"delta": {"text": "lo"}, "contentBlockIndex": 0}),
        ):
            _bedrock_converse.read_event(self.event(kind, body), into)
        assert into.content is not None
        assert [part["content"] for message in into.content for part in message["parts"]] == ["Hello"]
        parsed = Response(content=[])
        start = {"start": {"toolUse": {"toolUseId": "t-1", "name": "search"}}, "contentBlockIndex": 0}
        assert _bedrock_converse.read_event(self.event("contentBlockStart", start), parsed) is False
        assert [part["name"] for message in parsed.content or () for part in message["parts"]] == ["search"]

    def test_optimized_latency_and_a_guardrail(self) -> None:
        into = Response()
        assessment = {
            "wordPolicy": {"customWords": [{"action": "BLOCKED"}]},
            "invocationMetrics": {"guardrailProcessingLatency": 250},
        }
        reply = {
            "performanceConfig": {"latency": "optimized"},
            "trace": {"guardrail": {"inputAssessment": {"g-1": assessment}}},
        }
        _bedrock_converse.read_metadata(reply, into)
        assert (into.service_tier, into.checks, into.fallback) == ("optimized", (("g-1", "blocked", 0.25),), None)

    @pytest.mark.parametrize("name", [":exception-type", ":error-code"])
    def test_an_error(self, name: str) -> None:
        into = Response()
        assert _bedrock_converse.read_event(self.event(None, **{name: "throttlingException"}), into) is False
        assert (into.error_code, into.done) == ("throttlingException", True)
        into = Response()
        _bedrock_converse.read_event(self.event(None), into)
        assert (into.error_code, into.done) == (None, False)

    def test_parts_that_were_parsed(self) -> None:
        into = Response()
        assert _bedrock_converse.read_part("contentBlockDelta", {"delta": {"text": "a"}}, into) is True
        assert _bedrock_converse.read_part("contentBlockStart", {}, into) is False
        assert _bedrock_converse.read_part("metadata", {}, into) is False
        assert into.done


class TestCohere:
    @pytest.mark.parametrize(
        ("reported", "expected"),
        [
            ({"tokens": {"input_tokens": 9, "output_tokens": 4}, "billed_units": {"input_tokens": 7, "output_tokens": 3}},
             Usage(9, 4, billed_input_tokens=7, billed_output_tokens=3)),
            ({"billed_units": {"input_tokens": 7, "output_tokens": 0}}, Usage(7, 0, billed_input_tokens=7, billed_output_tokens=0)),
            ({"tokens": {"input_tokens": 9}, "cached_tokens": 2}, Usage(9, None, 2)),
            ({"billed_units": {"input_tokens": 7, "image_tokens": 5}}, Usage(7, billed_input_tokens=7, input_image_tokens=5)),
            ({"billed_units": {"input_tokens": 7, "image_tokens": 0}}, Usage(7, billed_input_tokens=7)),
        ],
    )  # fmt: skip
    def test_words(self, reported: Any, expected: Usage) -> None:
        assert usage_of(_cohere_usage.read_usage, reported) == expected
        assert usage_of(_cohere_usage.read_meta, {"meta": reported}) == expected

    def test_searches_are_no_tokens(self) -> None:
        into = Response()
        _cohere_usage.read_usage({"billed_units": {"search_units": 2}}, into)
        assert (into.usage, into.fees, into.attributes) == (
            None,
            (("rerank", 2.0),),
            {"otel_llm.usage.search_units": 2.0},
        )


class TestGuardrails:
    def test_moderations(self) -> None:
        into = Response()
        _guardrails.read_moderation({"id": "mod-1", "model": "m", "results": [{"flagged": False}]}, into)
        assert (into.id, into.model, into.checks) == ("mod-1", "m", (("moderation", "passed", None),))
        _guardrails.read_moderation({"results": [{"flagged": False}, {"flagged": True}]}, into)
        assert into.checks == (("moderation", "blocked", None),)

    @pytest.mark.parametrize(
        ("params", "name"),
        [
            ({"guardrailConfig": {"guardrailIdentifier": "g-1"}}, "g-1"),
            ({"guardrailIdentifier": "g-2"}, "g-2"),
            ({}, ""),
        ],
    )
    def test_which_one_is_asked_for(self, params: Any, name: str) -> None:
        assert _guardrails.guardrail_of(params) == name

    @pytest.mark.parametrize(
        ("reply", "result"),
        [
            (
                {
                    "action": "GUARDRAIL_INTERVENED",
                    "assessments": [{"topicPolicy": {"topics": [{"action": "BLOCKED"}]}}],
                },
                "blocked",
            ),
            ({"action": "GUARDRAIL_INTERVENED", "assessments": [{"pii": [{"action": "ANONYMIZED"}]}]}, "changed"),
            ({"action": "GUARDRAIL_INTERVENED", "assessments": []}, "blocked"),
            ({"action": "NONE", "assessments": []}, "passed"),
        ],
    )
    def test_one_that_was_applied(self, reply: Any, result: str) -> None:
        into = Response()
        _guardrails.read_applied(reply, into)
        assert into.checks == (("", result, None),)

    def test_of_inputs_and_outputs(self) -> None:
        into = Response()
        trace = {
            "inputAssessment": {"g-1": {"invocationMetrics": {"guardrailProcessingLatency": 100}}},
            "outputAssessments": {
                "g-1": [{"words": [{"action": "ANONYMIZED"}], "invocationMetrics": {"guardrailProcessingLatency": 50}}]
            },
        }
        _guardrails.read_assessments(trace, into)
        assert into.checks == (("g-1", "changed", pytest.approx(0.15)),)


class Word(str):
    """As enumerations are: a string of another kind."""

    __slots__ = ()

    def __str__(self) -> str:
        return "not this"


def test_small_reads() -> None:
    assert [_read.text(value) for value in ("a", "", None, 7, b"a", Word("b"), Word(""))] == [
        "a",
        None,
        None,
        None,
        None,
        "b",
        None,
    ]
    assert [_read.count(value) for value in (0, LARGE - 1, LARGE, -1, 1.0, True, "1", None)] == [
        0,
        LARGE - 1,
        None,
        None,
        1,
        None,
        None,
        None,
    ]
    assert [_read.number(value) for value in (0, 1.5, -1, LARGE, float("nan"), True, "1")] == [
        0.0,
        1.5,
        None,
        None,
        None,
        None,
        None,
    ]
    assert [_read.items(value) for value in ([1], (1,), None)] == [[1], [], []]
    assert (_read.attr({"a": Of(b=1)}, "a", "b"), _read.attr(None, "a"), _read.attr({}, "a", "b")) == (1, None, None)
    names = {"top_p": "gen_ai.request.top_p", "stop": "gen_ai.request.stop_sequences"}
    body = {"top_p": 0.5, "stop": None, "other": 1}
    assert _read.parameters(body, names) == {"gen_ai.request.top_p": 0.5}
