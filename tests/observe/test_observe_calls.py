"""``observe``: calls of clients that no declaration knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import openai
import pytest

import otel_llm
from otel_llm.core.model import Reader, Response, Usage
from otel_llm.testing import capture
from otel_llm.testing.loopback import Loopback

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "your-own-client.md"


def read(reply: Any, into: Response) -> None:
    into.usage = Usage(*reply)


def chunk(piece: Any, into: Response) -> bool:
    if isinstance(piece, tuple):
        read(piece, into)
        into.done = True
        return False
    return True


watched = otel_llm.observe(
    provider="acme", model=lambda name: name, read=Reader(read, chunk), url="http://acme.test:81/v1"
)


@watched
def plain(name: str) -> Any:
    return (3, 4) if name == "one" else int(name)


@watched
async def plain_async(name: str) -> Any:
    return (3, 4) if name == "one" else int(name)


@watched
def stream(name: str) -> Any:
    yield name
    yield "b"
    yield (3, 4)


@watched
async def stream_async(name: str) -> Any:
    yield name
    yield "b"
    yield (3, 4)


def told(captured: Any) -> Any:
    call = captured.call
    return call.provider, call.operation, call.request_model, call.input_tokens, call.output_tokens, call.error_type


GOOD = ("acme", "chat", "one", 3, 4, "")


async def test_whatever_is_decorated() -> None:
    asks = [lambda: plain("one"), lambda: list(stream("one"))]
    for ask in asks:
        with capture("openai") as captured:
            ask()
            assert told(captured) == GOOD
            assert (captured.call.server_address, captured.open) == ("acme.test", 0)
    with capture("openai") as captured:
        assert await plain_async("one") == (3, 4)
        assert told(captured) == GOOD
    with capture("openai") as captured:
        assert [piece async for piece in stream_async("one")] == ["one", "b", (3, 4)]
        assert told(captured) == GOOD
        assert captured.call.stream
        assert captured.call.first_chunk is not None


async def test_errors_are_the_callers() -> None:
    with capture("openai") as captured:
        with pytest.raises(ValueError, match="two"):
            plain("two")
        with pytest.raises(ValueError, match="two"):
            await plain_async("two")
    assert [call.error_type for call in captured.calls] == ["_OTHER", "_OTHER"]


def test_a_stream_that_is_left() -> None:
    with capture("openai") as captured:
        pieces = stream("one")
        assert not captured.open
        next(pieces)
        pieces.close()
    assert captured.call.error_type == "abandoned"


def test_a_method() -> None:
    class Client:
        @watched
        def ask(self, name: str) -> Any:
            return (3, 4)

    with capture("openai") as captured:
        Client().ask("one")
        assert told(captured) == GOOD


def late() -> None:
    with otel_llm.observe(provider="acme", read=Reader(read, chunk)) as call:
        call.chunk("a")
        raise TimeoutError


def test_a_block() -> None:
    with capture("openai") as captured, otel_llm.observe(provider="acme", model="one", read=read) as call:
        call.reply((3, 4))
    assert told(captured) == GOOD
    with capture("openai") as captured:
        with pytest.raises(TimeoutError):
            late()
        assert (captured.call.error_type, captured.call.stream) == ("timeout", True)


def test_where_nothing_is_watched() -> None:
    assert plain("one") == (3, 4)
    with otel_llm.observe(provider="acme", read=read) as call:
        call.reply((3, 4))
        call.chunk("a")
    assert call.response.usage == Usage(3, 4)


def test_calls_inside_are_part_of_it() -> None:
    for covers, seen in ((("*",), ["acme"]), ((), ["openai", "acme"])):
        with (
            Loopback() as server,
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="test-key") as client,
            capture("openai") as captured,
        ):
            with otel_llm.observe(provider="acme", covers=covers):
                client.chat.completions.create(model="gpt-x", messages=[{"role": "user", "content": "hi"}])
            assert [call.provider for call in captured.calls] == seen


def test_a_reader_with_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    from otel_llm.core.guard import Guard

    with capture("openai") as captured:
        Guard.strict = False
        assert otel_llm.observe(provider="acme", read=read)(lambda: 7)() == 7
    assert captured.call.usage_unknown == "missing"


def test_what_an_exception_of_the_hosts_code_quotes_is_in_no_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that cannot read an answer says so with the answer in its message."""
    from otel_llm.core.guard import Guard

    answer = "the patient's diagnosis is secret"
    monkeypatch.setattr(Guard, "_logged", set())
    with capture("openai"):
        Guard.strict = False
        asked = otel_llm.observe(provider="acme", model="m", read=lambda reply, response: int(reply))(lambda: answer)
        assert asked() == answer
    assert "otel-llm failed in chunk with ValueError" in caplog.text
    assert answer not in caplog.text


def test_the_document() -> None:
    source = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    with Loopback() as server, capture("openai") as captured:
        space: dict[str, Any] = {"URL": f"{server.url}/v1/chat/completions"}
        exec(source[0], space)
        reply = space["ask"]("gpt-x", "hi")
        call = captured.call
        assert (call.provider, call.request_model, call.response_model) == ("acme", "gpt-x", "gpt-x")
        assert (call.input_tokens, call.output_tokens, call.finish_reasons) == (100, 20, ("stop",))
        captured.clear()
        client = type("Client", (), {"send": lambda _, __: reply})()
        exec(source[1], {"otel_llm": otel_llm, "client": client, "prompt": "hi", "read": space["read"]})
        assert captured.call.output_tokens == 20
