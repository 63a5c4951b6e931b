"""HTTP on the wire: what is sent byte for byte, and what is understood however it arrives."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.testing.loopback.parser import BadRequestError, Parser


def request(path="/v1/embeddings", body=b"{}", *extra):
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *extra, "", ""]
    return "\r\n".join(lines).encode() + body


def test_a_plain_reply_byte_for_byte(wire, read):
    wire.sendall(request("/api/embeddings"))
    body = b'{"embedding":[0.5,-0.25,0.125]}'
    expected = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 31\r\nconnection: keep-alive\r\n\r\n"
    )
    assert read(wire, body) == expected + body


def test_a_stream_byte_for_byte(wire, read):
    wire.sendall(request("/api/generate", b'{"model":"m-chunks-1"}'))
    head, _, chunks = read(wire, b"0\r\n\r\n").partition(b"\r\n\r\n")
    assert head == (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncache-control: no-cache\r\n"
        b"transfer-encoding: chunked\r\nconnection: keep-alive"
    )
    first = b'{"model":"m-chunks-1","created_at":"2026-01-01T00:00:00.000000Z","response":"Hello","done":false}\n'
    assert chunks.startswith(b"%x\r\n%b\r\n" % (len(first), first))
    assert chunks.endswith(b"}\n\r\n0\r\n\r\n")


def test_server_sent_events_byte_for_byte(ask):
    answer = ask("/v1/chat/completions", {"model": "m", "stream": True})
    events = answer.body.split(b"\n\n")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert events[-2:] == [b"data: [DONE]", b""]
    assert all(event.startswith(b"data: {") for event in events[:-2])


def test_a_connection_is_kept_and_requests_are_answered_in_order(wire, read, server):
    wire.sendall(request(body=b'{"model":"first"}') + request(body=b'{"model":"second"}'))
    data = read(wire, b'"second","usage":{"prompt_tokens":8,"total_tokens":8}}')
    assert data.index(b'"first"') < data.index(b'"second"')
    wire.sendall(request(body=b'{"model":"third"}'))
    assert b'"third"' in read(wire, b"8}}")
    assert [seen.model for seen in server.requests] == ["first", "second", "third"]
    assert server.connections == 1


def test_connection_close_is_obeyed(wire, read):
    wire.sendall(request("/v1/embeddings", b"{}", "Connection: close"))
    data = read(wire, b"never")
    assert b"connection: close\r\n" in data
    assert data.endswith(b'{"prompt_tokens":8,"total_tokens":8}}')


def test_a_client_that_waits_for_leave_gets_it(wire, read):
    whole = request("/v1/embeddings", b'{"model":"m"}', "Expect: 100-continue")
    wire.sendall(whole[:-13])
    assert read(wire, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.sendall(whole[-13:])
    assert b'"model":"m"' in read(wire, b"8}}")


def test_a_chunked_request_body(wire, read, server):
    wire.sendall(b"POST /v1/embeddings HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.sendall(b'8;note=1\r\n{"model"\r\n5\r\n:"m"}\r\n0\r\n\r\n')
    read(wire, b"8}}")
    assert server.requests[0].body == {"model": "m"}


@pytest.mark.parametrize(
    "garbage", [b"hello\r\n\r\n", b"POST / SPDY\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
)
def test_what_is_not_http_is_refused_and_hung_up_on(wire, read, garbage):
    wire.sendall(garbage)
    assert read(wire, b"never").startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_an_unknown_path_is_a_404_that_says_so(ask):
    answer = ask("/nobody", {})
    assert answer.status == 404
    assert answer.json["error"]["message"] == "no such endpoint: POST /nobody"


def test_a_target_may_name_the_host_as_well(wire, read, server):
    wire.sendall(request(f"{server.url}/v1/embeddings?a=b"))
    assert read(wire, b"8}}").startswith(b"HTTP/1.1 200 ")
    assert (server.requests[0].path, server.requests[0].query) == ("/v1/embeddings", "a=b")


def test_a_form_names_its_model(ask, server):
    form = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n'
    answer = ask("/v1/audio/transcriptions", form, headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.json == {"text": "Hello from the loopback server.", "usage": {"type": "duration", "seconds": 3}}
    assert server.requests[0].model == "whisper-1"
    assert server.requests[0].body == form


def test_a_request_is_recorded_as_it_came(ask, server):
    ask("/v1/chat/completions?beta=true", {"model": "m", "messages": []}, headers={"X-Tenant": "Acme"})
    seen = server.requests[0]
    assert (seen.number, seen.method, seen.path, seen.query) == (1, "POST", "/v1/chat/completions", "beta=true")
    assert seen.headers["x-tenant"] == "Acme"
    assert seen.body == {"model": "m", "messages": []}


@settings(deadline=None)
@given(st.lists(st.integers(1, 200)), st.sampled_from(["length", "chunked"]), st.integers(0, 300))
def test_a_request_is_the_same_in_whatever_pieces_it_arrives(cuts, framing, size):
    body = json.dumps({"text": "x" * size}).encode()
    if framing == "length":
        whole = request("/path%2Fx?q=1", body)
    else:
        half = len(body) // 2
        parts = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
        whole = b"POST /path%2Fx?q=1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"
    parser, at, found = Parser(), 0, []
    for cut in [*cuts, len(whole)]:
        parser.feed(whole[at : at + cut])
        at += cut
        found += list(iter(parser.next, None))
    assert [(one.path, one.query, one.content) for one in found] == [("/path/x", "q=1", {"text": "x" * size})]


def test_a_head_without_an_end_is_given_up():
    parser = Parser()
    parser.feed(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000)
    with pytest.raises(BadRequestError, match="no end of the head"):
        parser.next()


def test_a_chunk_size_that_is_no_number_is_refused():
    parser = Parser()
    parser.feed(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
    with pytest.raises(BadRequestError, match="chunk size"):
        parser.next()
