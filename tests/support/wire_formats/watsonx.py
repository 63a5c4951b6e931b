"""IBM watsonx.ai: chat, text generation and embeddings. Fields: https://cloud.ibm.com/apidocs/watsonx-ai.

Chat is OpenAI's format with the model under another name; a generation counts its tokens in the result.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from otel_llm.testing.loopback.call import VECTOR, Call, Failure, Family, Route
from otel_llm.testing.loopback.exchange import JSON, Reply, Request, compact
from otel_llm.testing.loopback.openai import CREATED
from otel_llm.testing.loopback.openai_usage import chat_usage

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT = "2026-01-01T00:00:00.000Z"
_FINISH = {"stop": "stop", "length": "length", "filter": "stop", "refusal": "stop", "tools": "tool_calls"}
_CODES = {401: "authentication_token_not_valid", 404: "model_not_supported", 429: "rate_limit_reached_requests"}


def error(failure: Failure) -> Reply:
    code = _CODES.get(failure.status, "invalid_request_entity" if failure.status < 500 else "internal_server_error")
    body = {"errors": [{"code": code, "message": f"The loopback refuses: {code}."}], "status_code": failure.status}
    return Reply.of_json({**body, "trace": f"{failure.request.number:032x}"}, failure.status, failure.headers())


def stream_error(failure: Failure) -> bytes:
    told = {
        "errors": [{"code": "internal_server_error", "message": "The loopback fails."}],
        "status_code": failure.status,
    }
    return b"event: error\ndata: " + compact(told) + b"\n\n"


def headers(request: Request) -> dict[str, str]:
    limits = {"x-requests-limit-rate": "8", "x-requests-limit-remaining": "7"}
    return {**limits, "x-global-transaction-id": f"{request.number:032x}"}


FAMILY = Family("watsonx", error, stream_error, headers)


def token(call: Call) -> Reply:
    """What the client logs in with."""
    body = {"access_token": f"token-{call.request.number}", "expires_in": 3600, "expiration": 4_102_444_800}
    return Reply.of_json({**body, "token": body["access_token"], "token_type": "Bearer"})


def project(call: Call) -> Reply:
    """A project or a space, which the client looks up before it uses it."""
    name = call.request.path.rsplit("/", 1)[1]
    return Reply.of_json(
        {
            "metadata": {"id": name, "guid": name},
            "entity": {"name": "loopback", "storage": {"type": "local_git_storage"}, "compute": []},
        }
    )


def chat(call: Call) -> Reply:
    if call.request.path.endswith("_stream"):
        return Reply.of_events(_chat_events(call), "text/event-stream")
    message: JSON = {"role": "assistant", "content": "".join(call.text())}
    if _ending(call) == "tools":
        message = {"role": "assistant", "tool_calls": [call.function_call()]}
    choice = {"index": 0, "message": message, "finish_reason": _FINISH[_ending(call)]}
    return Reply.of_json({**_chat_base(call), "choices": [choice], **_chat_usage(call)})


def _ending(call: Call) -> str:
    return call.ending(answered=call.tool_answered)


def _chat_base(call: Call) -> JSON:
    named = {"model_id": call.answers_model, "model": call.answers_model}
    return {"id": call.id("chatcmpl-"), **named, "created": CREATED, "created_at": _AT}


def _chat_usage(call: Call) -> JSON:
    return {"usage": chat_usage(call.tokens, "huggingface")} if call.usage else {}


def _chat_events(call: Call) -> Iterator[bytes]:
    tool = {"tool_calls": [{**call.function_call(), "index": 0}]}
    deltas: list[JSON] = [tool] if _ending(call) == "tools" else [{"content": piece} for piece in call.text()]
    choices: list[JSON] = [
        {"index": 0, "finish_reason": None, "delta": {"role": "assistant", **delta}} for delta in deltas
    ]
    choices.append({"index": 0, "finish_reason": _FINISH[_ending(call)], "delta": {"role": "assistant", "content": ""}})
    parts: list[JSON] = [{"choices": [choice]} for choice in choices]
    parts.append({"choices": [], **_chat_usage(call)})
    for number, part in enumerate(parts, start=1):
        yield _event(number, {**_chat_base(call), **part})


def _event(number: int, value: JSON) -> bytes:
    return f"id: {number}\nevent: message\ndata: ".encode() + compact(value) + b"\n\n"


def generation(call: Call) -> Reply:
    if not call.request.path.endswith("_stream"):
        return Reply.of_json(_generated(call, "".join(call.text()), call.tokens.output))
    pieces = call.text()
    parts = [_generated(call, piece, 0, reason="not_finished") for piece in pieces[:-1]]
    parts.append(_generated(call, pieces[-1], call.tokens.output))
    return Reply.of_events([_event(number, part) for number, part in enumerate(parts, start=1)], "text/event-stream")


def _generated(call: Call, text: str, count: int, reason: str | None = None) -> JSON:
    told = reason or ("max_tokens" if call.switches.finish == "length" else "eos_token")
    result: JSON = {"generated_text": text, "stop_reason": told}
    if call.usage:
        result |= {"generated_token_count": count, "input_token_count": 0 if reason else call.tokens.input}
    return {"model_id": call.answers_model, "created_at": _AT, "results": [result]}


def embeddings(call: Call) -> Reply:
    results = [{"embedding": VECTOR} for _ in call.body.get("inputs") or [""]]
    body = {"model_id": call.answers_model, "created_at": _AT, "results": results}
    return Reply.of_json({**body, "input_token_count": call.embedded} if call.usage else body)


ROUTES = (
    Route("POST", re.compile(r"^/identity/token$|^/icp4d-api/v1/authorize$"), token, FAMILY),
    Route("GET", re.compile(r"^/v2/(projects|spaces)/[^/]+$"), project, FAMILY),
    Route("POST", re.compile(r"^/ml/v1/(deployments/[^/]+/)?text/chat(_stream)?$"), chat, FAMILY),
    Route("POST", re.compile(r"^/ml/v1/(deployments/[^/]+/)?text/generation(_stream)?$"), generation, FAMILY),
    Route("POST", re.compile(r"^/ml/v1/text/embeddings$"), embeddings, FAMILY),
)
