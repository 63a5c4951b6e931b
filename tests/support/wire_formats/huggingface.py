"""Hugging Face's inference API: text generation and feature extraction. Fields: https://huggingface.co/docs/text-generation-inference.

Chat there is OpenAI's format. A client that is given this server's URL as its model posts to that URL itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback.call import VECTOR, Call, Failure, Family, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, Request, compact

if TYPE_CHECKING:
    from collections.abc import Iterator


def error(failure: Failure) -> Reply:
    told = {"error": f"the loopback refuses: {failure.status}", "error_type": "overloaded"}
    return Reply.of_json(told, failure.status, failure.headers())


def stream_error(failure: Failure) -> bytes:
    return _event({"error": f"the loopback fails: {failure.status}", "error_type": "generation"})


def headers(request: Request) -> dict[str, str]:
    return {"x-request-id": f"req_{request.number:08d}", "x-compute-type": "cpu"}


FAMILY = Family("huggingface", error, stream_error, headers)


def _event(value: JSON) -> bytes:
    """A server-sent event without a space after the colon, as text-generation-inference writes it."""
    return b"data:" + compact(value) + b"\n\n"


def generate(call: Call) -> Reply:
    if call.stream:
        return Reply.of_events((_event(part) for part in _parts(call)), "text/event-stream")
    details = {**_details(call), "prefill": [], "tokens": [_token(*numbered) for numbered in enumerate(call.text())]}
    return Reply.of_json([{"generated_text": "".join(call.text()), "details": details}], headers=_counts(call))


def _details(call: Call) -> JSON:
    reason = "length" if call.switches.finish == "length" else "eos_token"
    return {"finish_reason": reason, "generated_tokens": call.tokens.output, "seed": None}


def _counts(call: Call) -> dict[str, str]:
    counts = {"x-prompt-tokens": call.tokens.input, "x-generated-tokens": call.tokens.output}
    return {name: str(count) for name, count in counts.items()} if call.usage else {}


def _token(index: int, text: str) -> JSON:
    return {"id": index, "text": text, "logprob": -0.5, "special": False}


def _parts(call: Call) -> Iterator[JSON]:
    pieces = call.text()
    for index, piece in enumerate(pieces, start=1):
        part: JSON = {"index": index, "token": _token(index, piece), "generated_text": None, "details": None}
        if index == len(pieces):
            details = {**_details(call), "input_length": call.tokens.input}
            part |= {"generated_text": "".join(pieces), "details": details}
        yield part


def features(call: Call) -> Reply:
    asked = call.body.get("inputs")
    return Reply.of_json([VECTOR for _ in asked] if isinstance(asked, list) else [VECTOR])


ROUTES = (
    Route("POST", re.compile(r"^(/huggingface)?/models/.+/pipeline/feature-extraction$"), features, FAMILY),
    Route(
        "POST", re.compile(r"^/$|^(/huggingface)?/models/[^/]+(/[^/]+)?$|^/huggingface$|/generate$"), generate, FAMILY
    ),
)
