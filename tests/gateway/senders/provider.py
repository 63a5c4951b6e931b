"""A provider on the loopback: OpenAI's chat, streams and embeddings, and Anthropic's messages. It counts what it served."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {
    "prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150, "prompt_tokens_details": {"cached_tokens": 100},
    "completion_tokens_details": {"reasoning_tokens": 12},
}  # fmt: skip
THEIRS = {"input_tokens": 20, "cache_creation_input_tokens": 40, "cache_read_input_tokens": 60, "output_tokens": 30}


class Provider:
    """Serves until ``close``; ``served`` counts requests by model. A model whose name ends in ``refused`` is refused with 429."""

    def __init__(self) -> None:
        self.served: Counter[str] = Counter()
        provider = self

        class Handler(_Handler):
            served = provider.served

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Counter[str]

    def do_POST(self) -> None:
        asked = json.loads(self._body() or b"{}")
        model = asked["model"]
        self.served[model] += 1
        if model.endswith("refused"):
            self._json(
                429,
                {"error": {"message": "Rate limit reached", "type": "rate_limit_error", "code": "rate_limit_exceeded"}},
            )
        elif self.path.endswith("/embeddings"):
            data = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]
            self._json(
                200,
                {"object": "list", "model": model, "data": data, "usage": {"prompt_tokens": 120, "total_tokens": 120}},
            )
        elif self.path.endswith("/messages"):
            self._json(200, {"id": f"msg_{self.served[model]}", "type": "message", "role": "assistant", "model": model, "usage": THEIRS,
                             "content": [{"type": "text", "text": "Mild."}], "stop_reason": "end_turn"})  # fmt: skip
        elif asked.get("stream"):
            self._stream(model)
        else:
            self._chat(asked, model)

    def _chat(self, asked: dict[str, Any], model: str) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": "Mild."}
        calls = asked.get("tools") and not any(one.get("role") == "tool" for one in asked["messages"])
        if calls:
            function = {"name": "get_weather", "arguments": "{}"}
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            }
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
        self._json(200, {**self._named(model, "chat.completion"), "choices": [choice], "usage": USAGE})

    def _stream(self, model: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        named = self._named(model, "chat.completion.chunk")
        delta = {"role": "assistant", "content": "Mild."}
        for more in (
            {"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]},
            {"choices": [], "usage": USAGE},
        ):
            self.wfile.write(b"data: " + json.dumps({**named, **more}).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _named(self, model: str, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{self.served.total()}", "object": kind, "created": 1, "model": f"{model}-2024-08-06"}

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _json(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...
