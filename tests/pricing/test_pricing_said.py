"""What providers say of a call beyond its plain counts, through the real clients, and what that costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import anthropic
import cohere
import httpx
import openai
import pytest
from google import genai
from mistralai.client import Mistral

from otel_llm.core.config import Config
from otel_llm.core.model import Observation, Usage
from otel_llm.pricing import Prices
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback, Reply
from otel_llm.testing.loopback.exchange import sse

MESSAGES: Any = [{"role": "user", "content": "hi"}]
Observe = Callable[..., Observation]


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.fixture
def observe(server) -> Observe:
    """One call of a client whose server says ``replies``, as it is observed; ``provider`` is what the server stands for."""

    def one(library: str, ask: Callable[[str], Any], *replies: Reply, provider: str = "") -> Observation:
        config = Config(providers=(("127.0.0.1", provider),) if provider else ())
        prices, said = Prices(config), iter(replies)
        server.script = lambda _: next(said)
        with capture(library, price=prices.of_call, config=config) as captured:
            ask(server.url)
        return captured.call

    return one


@pytest.fixture
def cost(pricer) -> Callable[..., float]:
    """What a usage costs by the list."""
    return lambda provider, model, usage, tier=None: pricer.price(provider, model, "", usage, time.time(), tier).cost


def chat(model: str, usage: dict[str, Any] | None = None, **more: Any) -> Reply:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}
    said = {"id": "c1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}
    return Reply.of_json({**said, **more})


def asks(model: str, **more: Any) -> Callable[[str], Any]:
    """A chat of the openai client, streams read to their end; what it raises is for the host."""

    def ask(url: str) -> None:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="test-key", max_retries=0) as client:
            made: Any = client.chat.completions.create(model=model, messages=MESSAGES, **more)
            if more.get("stream"):
                list(made)

    return ask


def counted(input_tokens: int, output_tokens: int, **more: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        **more,
    }


class TestOpenAIShapes:
    def test_a_bill_with_the_callers_own_key_is_the_fee_and_what_is_charged_upstream(self, observe: Observe) -> None:
        usage = counted(10, 5, cost=0.002, is_byok=True, cost_details={"upstream_inference_cost": 0.045})
        call = observe("openai", asks("a/b"), chat("a/b", usage), provider="openrouter")
        assert (call.cost, call.cost_source) == (pytest.approx(0.047), "provider")
        usage = counted(10, 5, cost=0.05, is_byok=False, cost_details={"upstream_inference_cost": 0.045})
        assert observe("openai", asks("a/b"), chat("a/b", usage), provider="openrouter").cost == 0.05

    def test_a_key_of_the_callers_whose_charge_is_not_told_is_not_free(self, observe: Observe) -> None:
        call = observe("openai", asks("a/b"), chat("a/b", counted(10, 5, cost=0, is_byok=True)), provider="openrouter")
        assert (call.cost, call.cost_source) == (None, "unpriced")

    def test_a_bill_in_parts_is_its_total(self, observe: Observe) -> None:
        usage = counted(10, 100, cost={"output_tokens_cost": 0.002, "request_cost": 0.006, "total_cost": 0.008})
        call = observe("openai", asks("sonar-pro"), chat("sonar-pro", usage), provider="perplexity")
        assert (call.cost, call.cost_source) == (0.008, "provider")

    def test_searches_of_a_response_are_billed(self, observe: Observe, cost) -> None:
        said = {
            "id": "r1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-6-sol", "output": [],
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
            "usage": {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100},
            "tool_usage": {"web_search": {"num_requests": 5}},
        }  # fmt: skip

        def ask(url: str) -> None:
            with openai.OpenAI(base_url=f"{url}/v1", api_key="test-key") as client:
                client.responses.create(model="gpt-6-sol", input="hi")

        call = observe("openai", ask, Reply.of_json(said), provider="openai")
        assert call.cost == pytest.approx(cost("openai", "gpt-6-sol", Usage(1000, 100, web_searches=5)))
        assert call.cost > cost("openai", "gpt-6-sol", Usage(1000, 100))

    def test_images_that_were_made_are_no_text(self, observe: Observe, cost) -> None:
        usage = {"input_tokens": 50, "output_tokens": 4160, "total_tokens": 4210}

        def ask(url: str) -> None:
            with openai.OpenAI(base_url=f"{url}/v1", api_key="test-key") as client:
                client.images.generate(model="gpt-image-1.5", prompt="a cat")

        call = observe("openai", ask, Reply.of_json({"created": 1, "data": [], "usage": usage}), provider="openai")
        assert call.modalities == (("output", "image", 4160),)
        assert call.cost == pytest.approx(cost("openai", "gpt-image-1.5", Usage(50, 4160, output_image_tokens=4160)))

    @pytest.mark.parametrize(("code", "kind"), [(502, "server_error"), (429, "rate_limit"), (400, "invalid_request")])
    def test_a_failure_with_status_200_is_one(self, observe: Observe, code: int, kind: str) -> None:
        fault = {"code": code, "message": "The provider returned an error"}
        assert observe("openai", asks("a/b"), Reply.of_json({"error": fault})).error_type == kind
        choice = {"index": 0, "finish_reason": "error", "error": fault, "message": {"role": "assistant", "content": ""}}
        assert observe("openai", asks("a/b"), chat("a/b", counted(1, 0), choices=[choice])).error_type == kind

    def test_a_failure_in_the_middle_of_a_stream_that_says_so_in_its_choice(self, observe: Observe) -> None:
        pieces = [("Hel", None, {}), ("", "error", {"error": {"code": 502, "message": "gone"}})]
        call = observe("openai", asks("a/b", stream=True), streamed(*pieces))
        assert (call.error_type, call.finish_reasons) == ("server_error", ("error",))

    def test_an_end_that_is_said_again_counts_once(self, observe: Observe) -> None:
        pieces = [("Hel", "stop", {}), ("lo", "stop", {}), ("", "stop", {})]
        assert observe("openai", asks("a/b", stream=True), streamed(*pieces)).finish_reasons == ("stop",)


def streamed(*pieces: tuple[str, str | None, dict[str, Any]]) -> Reply:
    """A stream of chat chunks: content, finish reason, what else the choice says."""
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "a/b"}
    events = [
        sse({**head, "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": reason, **more}]})
        for content, reason, more in pieces
    ]
    return Reply.of_events([*events, b"data: [DONE]\n\n"])


class TestAnthropic:
    USAGE: ClassVar[Any] = {"input_tokens": 10_000, "output_tokens": 1_000}

    def said(self, usage: dict[str, Any], *, ran: bool = False) -> Reply:
        code = {"type": "server_tool_use", "id": "s1", "name": "bash_code_execution", "input": {"command": "ls"}}
        return Reply.of_json({
            "id": "m1", "type": "message", "role": "assistant", "model": "claude-opus-5-5", "stop_reason": "end_turn",
            "content": [*([code] if ran else ()), {"type": "text", "text": "Hello."}], "usage": usage,
        })  # fmt: skip

    @staticmethod
    def ask(url: str) -> None:
        with anthropic.Anthropic(base_url=url, api_key="test-key") as client:
            client.beta.messages.create(model="claude-opus-5-5", max_tokens=9, messages=MESSAGES)

    def test_fast_mode_has_prices_of_its_own(self, observe: Observe, cost) -> None:
        fast = self.said({**self.USAGE, "speed": "fast", "service_tier": "standard"})
        call = observe("anthropic", self.ask, fast, provider="anthropic")
        assert call.cost == pytest.approx(cost("anthropic", "claude-opus-5-5", Usage(10_000, 1_000), "fast"))
        assert call.cost > cost("anthropic", "claude-opus-5-5", Usage(10_000, 1_000))

    @pytest.mark.parametrize(
        ("searches", "fetches", "lacks"),
        [(0, 0, ("code_interpreter",)), (1, 0, ()), (0, 2, ())],
        ids=["alone", "search", "fetch"],
    )
    def test_code_that_is_run_has_no_rate_unless_it_is_free_beside_the_web(
        self, observe: Observe, searches: int, fetches: int, lacks: tuple[str, ...]
    ) -> None:
        used = {"web_search_requests": searches, "web_fetch_requests": fetches}
        said = self.said({**self.USAGE, "server_tool_use": used}, ran=True)
        assert observe("anthropic", self.ask, said, provider="anthropic").incomplete == lacks

    def test_a_compaction_is_billed_beside_the_answer(self, observe: Observe, cost) -> None:
        parts = [
            {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_000, "cache_read_input_tokens": 500},
            {"type": "message", **self.USAGE},
        ]
        call = observe("anthropic", self.ask, self.said({**self.USAGE, "iterations": parts}), provider="anthropic")
        assert (call.input_tokens, call.output_tokens, call.cache_read_tokens) == (190_500, 4_000, 500)
        whole = Usage(190_500, 4_000, cache_read_tokens=500)
        assert call.cost == pytest.approx(cost("anthropic", "claude-opus-5-5", whole))

    def test_a_stream_tells_its_compaction_again_and_it_counts_once(self, observe: Observe) -> None:
        part = {"type": "compaction", "input_tokens": 400, "output_tokens": 30}
        usage = {"output_tokens": 20, "iterations": [part]}
        events = [
            ("message_start", {"message": {
                "id": "m1", "type": "message", "role": "assistant", "model": "claude-opus-5-5", "content": [],
                "usage": {"input_tokens": 100, "output_tokens": 1, "iterations": [part]},
            }}),
            ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": usage}),
            ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": usage}),
            ("message_stop", {}),
        ]  # fmt: skip

        def ask(url: str) -> None:
            with anthropic.Anthropic(base_url=url, api_key="test-key") as client:
                list(client.beta.messages.create(model="claude-opus-5-5", max_tokens=9, messages=MESSAGES, stream=True))

        stream = Reply.of_events([sse({"type": kind, **said}, kind) for kind, said in events])
        call = observe("anthropic", ask, stream, provider="anthropic")
        assert (call.input_tokens, call.output_tokens) == (500, 50)


class TestGoogle:
    @staticmethod
    def asks(use: Callable[[genai.Client], Any]) -> Callable[[str], Any]:
        return lambda url: use(genai.Client(api_key="test-key", http_options={"base_url": url}))

    @staticmethod
    def interaction(status: str, usage: dict[str, Any], **more: Any) -> dict[str, Any]:
        when = "2026-01-01T00:00:00Z"
        said = {"id": "v1", "object": "interaction", "model": "gemini-3.5-flash", "role": "model", "steps": []}
        return {**said, "created": when, "updated": when, "status": status, "usage": usage, **more}

    def hop(self, status: str, usage: dict[str, Any], **more: Any) -> Reply:
        kinds = [("interaction.created", "in_progress", {}), ("interaction.completed", status, usage)]
        return Reply.of_events([
            sse({"event_type": kind, "interaction": self.interaction(state, used, **more)}, kind)
            for kind, state, used in kinds
        ])  # fmt: skip

    def test_each_hop_of_a_continued_interaction_counts(self, observe: Observe, cost) -> None:
        first = self.hop(
            "requires_continuation",
            {"total_input_tokens": 1000, "total_output_tokens": 8000},
            continuation_token="next",
        )
        last = self.hop("completed", {"total_input_tokens": 9000, "total_output_tokens": 500})
        ask = self.asks(
            lambda client: list(client.interactions.create(model="gemini-3.5-flash", input="hi", stream=True))
        )
        call = observe("google_genai", ask, first, last, provider="gcp.gemini")
        assert (call.input_tokens, call.output_tokens) == (10_000, 8_500)
        assert call.cost == pytest.approx(cost("gcp.gemini", "gemini-3.5-flash", Usage(10_000, 8_500)))

    def test_modalities_and_searches_of_an_interaction(self, observe: Observe, cost) -> None:
        usage = {
            "total_input_tokens": 1000, "total_output_tokens": 100,
            "input_tokens_by_modality": [{"modality": "text", "tokens": 10}, {"modality": "audio", "tokens": 990}],
            "grounding_tool_count": [{"type": "google_search", "count": 3}, {"type": "google_maps", "count": 1}],
        }  # fmt: skip
        said = self.interaction("completed", usage, model="gemini-3-flash-preview")
        ask = self.asks(lambda client: client.interactions.create(model="gemini-3-flash-preview", input="hi"))
        call = observe("google_genai", ask, Reply.of_json(said), provider="gcp.gemini")
        assert ("input", "audio", 990) in call.modalities
        whole = Usage(1000, 100, input_audio_tokens=990, web_searches=3)
        assert call.cost == pytest.approx(cost("gcp.gemini", "gemini-3-flash-preview", whole))

    def answer(self, model: str, tokens: int, parts: list[Any]) -> dict[str, Any]:
        candidate = {"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
        usage = {"promptTokenCount": tokens, "candidatesTokenCount": 1000, "totalTokenCount": tokens + 1000}
        return {"responseId": "r1", "modelVersion": model, "candidates": [candidate], "usageMetadata": usage}

    def test_the_tier_that_was_served_is_billed(self, observe: Observe, cost) -> None:
        model = "gemini-3.8-flash-tts"
        said = Reply.of_json(self.answer(model, 1000, [{"text": "a"}]), headers={"x-gemini-service-tier": "standard"})
        config: Any = {"service_tier": "priority"}
        ask = self.asks(lambda client: client.models.generate_content(model=model, contents="hi", config=config))
        call = observe("google_genai", ask, said, provider="gcp.gemini")
        assert call.cost == pytest.approx(cost("gcp.gemini", model, Usage(1000, 1000)))

    def test_requests_of_one_call_are_each_in_the_price_step_of_their_own_length(self, observe: Observe, cost) -> None:
        def weather(city: str) -> str:
            """The weather of a city."""
            return f"sunny in {city}"

        model = "gemini-2.5-pro"  # dearer above 200,000 tokens
        calls = [{"functionCall": {"name": "weather", "args": {"city": "Bern"}}}]
        replies = [Reply.of_json(self.answer(model, 150_000, parts)) for parts in (calls, [{"text": "Sunny."}])]
        config: Any = {"tools": [weather]}
        ask = self.asks(lambda client: client.models.generate_content(model=model, contents="hi", config=config))
        call = observe("google_genai", ask, *replies, provider="gcp.gemini")
        assert call.input_tokens == 300_000
        assert call.cost == pytest.approx(2 * cost("gcp.gemini", model, Usage(150_000, 1000)))

    def test_each_candidate_of_a_stream_ends(self, observe: Observe) -> None:
        def piece(index: int, reason: str | None) -> bytes:
            candidate = {"index": index, "content": {"role": "model", "parts": [{"text": "a"}]}, "finishReason": reason}
            usage = {"promptTokenCount": 5, "candidatesTokenCount": 8, "totalTokenCount": 13}
            return sse({"responseId": "r1", "modelVersion": "m", "candidates": [candidate], "usageMetadata": usage})

        stream = Reply.of_events([piece(0, None), piece(1, None), piece(0, "STOP"), piece(1, "MAX_TOKENS")])
        ask = self.asks(lambda client: list(client.models.generate_content_stream(model="m", contents="hi")))
        assert observe("google_genai", ask, stream).finish_reasons == ("stop", "length")

    def test_what_was_embedded_may_be_an_image(self, observe: Observe, cost) -> None:
        usage = {"promptTokenCount": 258, "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 258}]}
        said = Reply.of_json({"embeddings": [{"values": [0.1]}], "usageMetadata": usage})
        ask = self.asks(lambda client: client.models.embed_content(model="gemini-embedding-2", contents=["hi"]))
        call = observe("google_genai", ask, said, provider="gcp.gemini")
        assert call.cost == pytest.approx(cost("gcp.gemini", "gemini-embedding-2", Usage(258, input_image_tokens=258)))


def test_cohere_bills_less_than_its_model_saw(observe: Observe, cost) -> None:
    usage = {
        "tokens": {"input_tokens": 505, "output_tokens": 420},
        "billed_units": {"input_tokens": 5, "output_tokens": 418},
        "cached_tokens": 100,
    }
    message = {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]}
    said = Reply.of_json({"id": "1", "finish_reason": "COMPLETE", "message": message, "usage": usage})
    model = "command-a-03-2025"

    def ask(url: str) -> None:
        with httpx.Client() as http:
            cohere.ClientV2(base_url=url, api_key="test-key", httpx_client=http).chat(model=model, messages=MESSAGES)

    call = observe("cohere", ask, said, provider="cohere")
    assert (call.input_tokens, call.output_tokens, call.cache_read_tokens) == (505, 420, 100)
    assert call.cost == pytest.approx(cost("cohere", model, Usage(5, 418)))


def test_mistral_bills_audio_by_the_second(observe: Observe, cost) -> None:
    model = "voxtral-small-24b-2507"
    said = chat(model, counted(400, 100, prompt_audio_seconds=600))
    call = observe(
        "mistral",
        lambda url: Mistral(server_url=url, api_key="test-key").chat.complete(model=model, messages=MESSAGES),
        said,
        provider="mistral_ai",
    )
    assert call.cost == pytest.approx(cost("mistral_ai", model, Usage(400, 100, audio_seconds=600)))
    assert call.cost > cost("mistral_ai", model, Usage(400, 100))
