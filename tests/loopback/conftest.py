"""A running loopback server, and ways to speak to it without a client library."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass

import pytest

from otel_llm.testing.loopback import Loopback


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        """The objects of newline-delimited JSON."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def events(self):
        """The objects of server-sent events, without the closing [DONE]."""
        data = [line.removeprefix(b"data:").strip() for line in self.body.splitlines() if line.startswith(b"data:")]
        return [json.loads(text) for text in data if text != b"[DONE]"]


@pytest.fixture
def server():
    with Loopback() as running:
        yield running


@pytest.fixture
def ask(server):
    """Send one request over a connection of its own and read the answer to its end."""

    def send(path, body=None, method="POST", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        try:
            content = body if isinstance(body, bytes | None) else json.dumps(body)
            connection.request(method, path, content, headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    return send


@pytest.fixture
def wire(server):
    """A connected socket."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connected:
        yield connected


def read_until(connected, end):
    """Bytes up to and with ``end``, or up to the end of the connection."""
    data = b""
    while not data.endswith(end):
        part = connected.recv(65536)
        if not part:
            break
        data += part
    return data


@pytest.fixture
def read():
    return read_until
