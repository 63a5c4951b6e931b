"""OpenAI's embeddings, and those of who speaks its format after it."""

from __future__ import annotations

import base64
import re
import struct

from .call import VECTOR, Call, Route
from .exchange import JSON, Reply
from .openai import FAMILY, dialect


def input_count(inputs: object) -> int:
    """How many inputs an embedding request carries: a list of texts or of token lists counts its items."""
    return len(inputs) if isinstance(inputs, list) and inputs and not isinstance(inputs[0], int) else 1


def embeddings(call: Call) -> Reply:
    vector: object = VECTOR
    if call.body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{len(VECTOR)}f", *VECTOR)).decode()
    count = input_count(call.body.get("input") or call.body.get("inputs"))
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    body: JSON = {"id": call.id("emb-"), "object": "list", "data": data, "model": call.answers_model}
    if call.usage:
        body["usage"] = {"prompt_tokens": call.embedded, "total_tokens": call.embedded}
        if dialect(call.request) == "mistral":
            body["usage"]["completion_tokens"] = 0
    if call.usage and dialect(call.request) == "voyage":
        body["usage"] = {"total_tokens": call.embedded}
    if dialect(call.request) == "openai":
        del body["id"]
    return Reply.of_json(body)


ROUTES = (Route("POST", re.compile(r"/embeddings$"), embeddings, FAMILY),)
