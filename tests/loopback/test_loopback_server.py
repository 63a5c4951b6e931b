"""The server's life: starting, stopping, remembering, answering by script and by timing, many streams at once."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys

import pytest

from otel_llm.testing.loopback import Gate, Loopback, Reply, Timing, answer, refuse


def test_it_starts_on_a_free_port_and_gives_it_back():
    server = Loopback().start()
    assert server.url == f"http://127.0.0.1:{server.port}"
    server.stop()
    server.stop()
    with socket.create_server(("127.0.0.1", server.port)) as again:
        assert again.getsockname()[1] == server.port


def test_it_starts_again_where_it_was():
    server = Loopback()
    with server:
        first = server.port
    with server:
        assert server.port == first
        socket.create_connection(("127.0.0.1", first)).close()


def test_a_port_that_is_taken_is_an_error(server):
    with pytest.raises(OSError, match="ddress already in use"):
        Loopback(server.port).start()


def test_stopping_ends_answers_that_would_never_come():
    with Loopback() as other, socket.create_connection(("127.0.0.1", other.port)) as hanging:
        hanging.sendall(b'POST /v1/embeddings HTTP/1.1\r\ncontent-length: 16\r\n\r\n{"model":"hang"}')
        other.wait_for(1)
        other.stop()
        assert hanging.recv(1) == b""


def test_clearing_forgets_requests_and_failures(server, ask):
    assert ask("/v1/embeddings", {"model": "fail-500-1"}).status == 500
    assert ask("/v1/embeddings", {"model": "fail-500-1"}).status == 200
    server.clear()
    assert server.requests == []
    assert ask("/v1/embeddings", {"model": "fail-500-1"}).status == 500


def test_only_the_newest_requests_are_kept():
    with Loopback(keep=2) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connected:
            for _ in range(3):
                connected.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
            server.wait_for(3)
        assert [seen.number for seen in server.requests] == [2, 3]


def test_waiting_for_more_than_comes_is_a_timeout(server):
    with pytest.raises(TimeoutError, match=r"0 of 1 requests came within 0\.0 s"):
        server.wait_for(1, timeout=0.0)


def test_a_script_answers_by_itself_or_leaves_it(server, ask):
    def script(request):
        if request.model == "mine":
            return Reply.of_json({"mine": True}, 201, {"x-mine": "1"})
        if request.model == "busy":
            return refuse(request, 429, kind="quota", retry_after=7)
        if request.model == "odd":
            reply = answer(request)
            body = json.loads(reply.body)
            del body["usage"]
            return Reply.of_json(body)
        return None

    server.script = script
    mine, busy = ask("/v1/embeddings", {"model": "mine"}), ask("/v1/embeddings", {"model": "busy"})
    assert (mine.status, mine.json, mine.headers["x-mine"]) == (201, {"mine": True}, "1")
    assert (busy.status, busy.json["error"]["code"]) == (429, "insufficient_quota")
    assert (busy.headers["retry-after"], busy.headers["x-should-retry"]) == ("7", "false")
    assert "usage" not in ask("/v1/embeddings", {"model": "odd"}).json
    assert ask("/v1/embeddings", {"model": "usual"}).json["usage"] == {"prompt_tokens": 8, "total_tokens": 8}


def test_a_timing_sets_counts_and_pieces(ask, server):
    server.delay = lambda request: Timing(input_tokens=900, output_tokens=70, thinking_tokens=9, events=3)
    usage = ask("/v1/chat/completions", {"model": "m"}).json["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (900, 70, 970)
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 9
    stream = ask("/v1/chat/completions", {"model": "m", "stream": True}).events
    assert sum("content" in event["choices"][0]["delta"] for event in stream) == 1 + 3


def test_a_timing_delays_by_what_it_says(server, ask):
    waits = []
    server.delay = lambda request: waits.append(request.model) or Timing(first=0.001, gap=0.001)
    assert len(ask("/v1/chat/completions", {"model": "m", "stream": True}).events) == 7
    assert waits == ["m"]


async def test_it_starts_inside_a_running_loop_and_answers_many_streams_at_once():
    request = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 40\r\nconnection: close\r\n\r\n"
    request += b'{"model":"m-trickle-gate","stream":true}'

    async def stream(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
        return data

    with Loopback() as server:
        streams = [asyncio.create_task(stream(server.port)) for _ in range(200)]
        await asyncio.to_thread(server.wait_for, 200)
        assert server.connections == 200
        server.gate.set()
        assert all(data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n") for data in await asyncio.gather(*streams))


async def test_a_gate_lets_steps_pass_in_order():
    gate, passed = Gate(), []

    async def wait(name):
        await gate.wait()
        passed.append(name)

    waiting = [asyncio.create_task(wait(name)) for name in "abc"]
    await asyncio.sleep(0)
    gate.step(2)
    await asyncio.gather(*waiting[:2])
    assert passed == ["a", "b"]
    waiting[2].cancel()
    await asyncio.gather(waiting[2], return_exceptions=True)
    gate.step()
    await wait("d")
    assert not gate.is_set()
    gate.set()
    await wait("e")
    assert (passed, gate.is_set()) == (["a", "b", "d", "e"], True)


def run(*arguments):
    command = [sys.executable, "-m", "otel_llm.testing.loopback", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_runs_in_a_process_of_its_own():
    with run() as process:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connected:
                body = b'{"model": "gpt-4o", "messages": []}'
                head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
                connected.sendall(head.encode() + body)
                assert connected.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
        finally:
            process.terminate()
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0


@pytest.mark.parametrize(("port", "said"), [("no", "a port is a number from 0"), ("70000", "not '70000'")])
def test_a_bad_port_is_one_clear_line(port, said):
    with run("--port", port) as process:
        errors = process.communicate(timeout=10)[1].splitlines()
    assert (process.returncode, said in errors[-1]) == (2, True)


def test_a_taken_port_is_one_clear_line(server):
    with run("--port", str(server.port)) as process:
        errors = process.communicate(timeout=10)[1]
    assert process.returncode == 2
    assert errors == f"port {server.port} on 127.0.0.1 cannot be used: Address already in use\n"


def test_a_timing_counts_for_embeddings_too(ask, server):
    server.delay = lambda request: Timing(input_tokens=33)
    assert ask("/v1/embeddings", {"model": "e"}).json["usage"] == {"prompt_tokens": 33, "total_tokens": 33}


def test_a_reader_that_lags_holds_the_stream_up_and_loses_nothing(wire, read):
    body = b'{"model":"m-chunks-20000"}'
    wire.sendall(b"POST /api/generate HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    wire.recv(1)
    data = read(wire, b"0\r\n\r\n")
    assert data.count(b'"done":false') == 20_000
