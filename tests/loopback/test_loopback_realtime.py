"""WebSockets: the handshake, the frames, and the events of Realtime and Responses sessions."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.testing.loopback.websocket import CLOSE, PING, PONG, TEXT, Frames, accept, frame

MASK = b"\x01\x02\x03\x04"


def masked(opcode, payload, *, final=True):
    """A frame as clients send it (RFC 6455 section 5.3)."""
    size = len(payload)
    head = bytes([(0x80 if final else 0) | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += struct.pack(">BH", 0x80 | 126, size)
    else:
        head += struct.pack(">BQ", 0x80 | 127, size)
    return head + MASK + bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))


@pytest.fixture
def session(wire):
    """Open a WebSocket; gives what sends a message and what receives the next frame."""
    stream = wire.makefile("rb")

    def opened(target, headers=""):
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n"
        wire.sendall(head.encode())
        return b"".join(iter(stream.readline, b"\r\n"))

    def send(value):
        wire.sendall(masked(TEXT, json.dumps(value).encode()))

    def receive():
        flags, size = stream.read(2)
        if size == 126:
            size = struct.unpack(">H", stream.read(2))[0]
        payload = stream.read(size)
        return json.loads(payload) if flags == 0x81 else (flags & 0x0F, payload)

    yield opened, send, receive
    stream.close()


def until(receive, kind):
    events = [receive()]
    while events[-1]["type"] != kind:
        events.append(receive())
    return events


def test_the_handshake_is_that_of_the_rfc(session):
    opened, _, _ = session
    head = opened("/v1/realtime?model=gpt-realtime")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert b"connection: Upgrade\r\n" in head
    assert accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_realtime_session_reports_usage_per_response(session):
    opened, send, receive = session
    opened("/v1/realtime?model=gpt-realtime-cached-audio")
    assert receive()["session"]["model"] == "gpt-realtime-cached-audio"
    send({"type": "session.update", "session": {"instructions": "short"}})
    assert receive()["session"]["instructions"] == "short"
    for turn in (1, 2):
        send({"type": "response.create"})
        events = until(receive, "response.done")
        assert events[0]["type"] == "response.created"
        response = events[-1]["response"]
        assert (response["id"], response["status"]) == (f"resp_00000001_{turn}", "completed")
        assert response["usage"] == {
            "total_tokens": 120,
            "input_tokens": 100,
            "output_tokens": 20,
            "input_token_details": {
                "text_tokens": 60,
                "audio_tokens": 40,
                "image_tokens": 0,
                "cached_tokens": 30,
                "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 10},
            },
            "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
        }
        assert receive()["type"] == "rate_limits.updated"


@pytest.mark.parametrize(
    ("model", "status", "items"),
    [("r-failed", "failed", []), ("r-length", "incomplete", ["message"]), ("r-tools", "completed", ["function_call"])],
)
def test_how_a_realtime_response_ends(session, model, status, items):
    opened, send, receive = session
    opened(f"/v1/realtime?model={model}")
    send({"type": "response.create"})
    response = until(receive, "response.done")[-1]["response"]
    assert (response["status"], [item["type"] for item in response["output"]]) == (status, items)


def test_a_spoken_answer_is_written_down_as_well(session):
    opened, send, receive = session
    opened("/v1/realtime?model=r-audio-chunks-1")
    assert receive()["session"]["output_modalities"] == ["audio"]
    send({"type": "response.create"})
    kinds = [event["type"] for event in until(receive, "response.done")]
    assert kinds == [
        "response.created", "response.output_item.added", "conversation.item.added", "conversation.item.done",
        "response.content_part.added", "response.output_audio_transcript.delta", "response.output_audio.delta",
        "response.output_audio.done", "response.output_audio_transcript.done", "response.content_part.done",
        "response.output_item.done", "response.done",
    ]  # fmt: skip


def test_the_beta_has_names_of_its_own(session):
    opened, send, receive = session
    opened("/v1/realtime?model=r-audio-chunks-1", "OpenAI-Beta: realtime=v1\r\n")
    assert receive()["session"]["modalities"] == ["audio", "text"]
    send({"type": "session.update", "session": {"input_audio_transcription": {"model": "whisper-1"}}})
    assert receive()["session"]["input_audio_transcription"] == {"model": "whisper-1"}
    send({"type": "input_audio_buffer.commit"})
    assert until(receive, "conversation.item.input_audio_transcription.completed")[-1]["usage"]["seconds"] == 2.5
    send({"type": "response.create"})
    events = until(receive, "response.done")
    assert [event["type"] for event in events][2:6] == [
        "conversation.item.created", "response.content_part.added", "response.audio_transcript.delta", "response.audio.delta",
    ]  # fmt: skip
    assert events[-1]["response"]["output"][0]["content"][0]["type"] == "audio"


def test_what_the_user_says_is_answered_or_not(session):
    opened, send, receive = session
    opened("/v1/realtime?model=r")
    receive()
    send({"type": "input_audio_buffer.append", "audio": "AAAA"})
    assert [event["type"] for event in until(receive, "response.created")] == [
        "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed",
        "conversation.item.added", "conversation.item.done", "response.created",
    ]  # fmt: skip
    until(receive, "rate_limits.updated")
    heard = {"turn_detection": None, "transcription": {"model": "gpt-4o-transcribe"}}
    send({"type": "session.update", "session": {"audio": {"input": heard}}})
    assert receive()["session"]["audio"]["input"] == heard
    send({"type": "input_audio_buffer.append", "audio": "AAAA"})
    send({"type": "input_audio_buffer.commit"})
    assert receive()["type"] == "input_audio_buffer.committed"
    written = until(receive, "conversation.item.input_audio_transcription.completed")[-1]
    assert (written["transcript"], written["usage"]["input_tokens"]) == ("Hello from the loopback server.", 30)
    heard["transcription"]["model"] = "failed"
    send({"type": "session.update", "session": {"audio": {"input": heard}}})
    send({"type": "input_audio_buffer.commit"})
    kind = "conversation.item.input_audio_transcription.failed"
    assert until(receive, kind)[-1]["error"]["code"] == "audio_unintelligible"


def test_a_response_that_is_held_is_cancelled_or_interrupted(session):
    opened, send, receive = session
    opened("/v1/realtime?model=r-hold")
    receive()
    send({"type": "response.cancel", "event_id": "mine"})
    error = receive()["error"]
    assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "mine")
    send({"type": "response.create"})
    until(receive, "response.output_text.delta")
    send({"type": "response.create"})
    assert until(receive, "error")[-1]["error"]["code"] == "conversation_already_has_active_response"
    send({"type": "response.cancel"})
    assert receive()["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    send({"type": "response.create"})
    until(receive, "response.created")
    send({"type": "input_audio_buffer.append", "audio": "AAAA"})
    done = until(receive, "response.done")[-1]["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert until(receive, "response.created")[-1]["response"]["id"].endswith("_3")


def test_a_tool_that_is_offered_is_called_and_nonsense_is_refused(session):
    opened, send, receive = session
    opened("/v1/realtime?model=r-tools")
    receive()
    send({"type": "response.create", "response": {"tools": [{"type": "function", "name": "look_up"}]}})
    call = until(receive, "response.done")[-1]["response"]["output"][0]
    assert (call["name"], call["arguments"]) == ("look_up", '{"city": "Paris"}')
    receive()
    send({"type": "response.create", "response": {"max_output_tokens": 0}})
    assert receive()["error"]["param"] == "response.max_output_tokens"
    send({"type": "conversation.item.create", "item": {"type": "message", "role": "user"}})
    assert receive()["item"] == {**receive()["item"], "id": "item_in_1", "role": "user"}
    send({"type": "nonsense"})
    assert receive()["error"]["code"] == "invalid_value"


def test_an_error_and_a_cut_in_a_session(session):
    opened, send, receive = session
    opened("/v1/realtime?model=r-sse-error-cut-9")
    send({"type": "response.create"})
    assert until(receive, "error")[-1]["error"]["type"] == "server_error"


def test_a_session_is_cut_in_the_middle_of_an_answer(session, wire):
    opened, send, receive = session
    opened("/v1/realtime?model=r-cut-2")
    receive()
    send({"type": "response.create"})
    assert [receive()["type"], receive()["type"]] == ["response.created", "response.output_item.added"]
    assert wire.recv(1) == b""


def test_responses_one_after_the_other(session):
    opened, send, receive = session
    opened("/v1/responses")
    send({"type": "unheard of"})
    for model, total in (("gpt", 120), ("gpt-thinking", 184)):
        send({"type": "response.create", "model": model, "input": "Hello?"})
        assert until(receive, "response.completed")[-1]["response"]["usage"]["total_tokens"] == total


def test_pings_are_answered_and_a_close_is_returned(session, wire):
    opened, _, receive = session
    opened("/v1/responses")
    wire.sendall(masked(PING, b"there?") + masked(CLOSE, b"\x03\xe8"))
    assert receive() == (PONG, b"there?")
    assert receive() == (CLOSE, b"\x03\xe8")
    assert wire.recv(1) == b""


def test_without_an_upgrade_it_says_what_it_speaks(ask):
    answer = ask("/v1/realtime?model=r", method="GET")
    assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")
    assert ask("/v1/realtime?model=fail-401", method="GET").status == 401


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300), st.lists(st.integers(1, 50)))
def test_a_message_is_the_same_in_whatever_pieces_it_arrives(payload, split, cuts):
    split = min(split, len(payload))
    whole = masked(TEXT, payload[:split], final=False) + masked(PING, b"") + masked(0, payload[split:])
    frames, at, found = Frames(), 0, []
    for cut in [*cuts, len(whole)]:
        frames.feed(whole[at : at + cut])
        at += cut
        found += list(iter(frames.next, None))
    assert found == [(PING, b""), (TEXT, payload)]


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_536, b"\x81\x7f" + bytes([0] * 5 + [1, 0, 0])),
    ],
)
def test_frames_say_their_length(size, head):
    assert frame(TEXT, b"x" * size) == head + b"x" * size


def test_a_long_message_arrives_whole():
    frames = Frames(masked(TEXT, b"x" * 70_000))
    assert frames.next() == (TEXT, b"x" * 70_000)
