"""OpenAI's wire format: what all of its endpoints share, and the dialects of those who speak it after OpenAI.

Fields: https://platform.openai.com/docs/api-reference, https://console.groq.com/docs/api-reference,
https://openrouter.ai/docs/api-reference, https://learn.microsoft.com/azure/ai-foundry/openai/reference.
"""

from __future__ import annotations

from functools import lru_cache

from .call import Failure, Family
from .exchange import JSON, Reply, Request, sse

CREATED = 1_767_225_600  # 2026-01-01T00:00:00Z
FALLBACK_MODEL = "gpt-4o-mini"

_NAMES = (
    "azure",
    "cerebras",
    "cohere",
    "deepseek",
    "fireworks",
    "groq",
    "huggingface",
    "mistral",
    "openrouter",
    "perplexity",
    "together",
    "voyage",
    "writer",
    "xai",
)
_PATHS = (("/openai/deployments/", "azure"), ("/api/v1/", "openrouter"))
_AGENTS = ("mistral", "groq", "together", "cerebras", "openrouter", "voyage", "cohere", "writer")

_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    409: ("conflict_error", None),
    413: ("invalid_request_error", "request_too_large"),
    422: ("invalid_request_error", None),
    429: ("tokens", "rate_limit_exceeded"),
}
_KINDS = {
    "quota": ("insufficient_quota", "insufficient_quota"),
    "context": ("invalid_request_error", "context_length_exceeded"),
    "filter": ("invalid_request_error", "content_filter"),
}


def dialect(request: Request) -> str:
    """Whose variant is spoken, by the first part of the path ("/deepseek/v1/..."), the path, the client's name."""
    return _dialect(request.path, request.headers.get("user-agent", "").lower(), "api-key" in request.headers)


@lru_cache(maxsize=1024)
def _dialect(path: str, agent: str, azure_key: bool) -> str:
    first = path.split("/", 2)[1]
    if first in _NAMES:
        return first
    if operation := next((name for start, name in _PATHS if path.startswith(start)), None):
        return operation
    if path.startswith("/openai/v1/"):
        return "azure" if azure_key else "groq"
    return next((name for name in _AGENTS if name in agent), "openai")


def error(failure: Failure) -> Reply:
    kind, code = _KINDS.get(failure.kind) or _TYPES.get(failure.status, ("server_error", None))
    body = {"message": f"The loopback refuses: {code or kind}.", "type": kind, "param": None, "code": code}
    headers = {"x-should-retry": "true" if failure.retriable else "false", **failure.headers()}
    name = dialect(failure.request)
    if name == "openrouter":
        return Reply.of_json({"error": {"message": body["message"], "code": failure.status}}, failure.status, headers)
    if name == "mistral":
        return Reply.of_json({"object": "error", **body, "code": str(failure.status)}, failure.status, headers)
    if name == "voyage":
        return Reply.of_json({"detail": body["message"]}, failure.status, headers)
    return Reply.of_json({"error": body}, failure.status, headers)


def stream_error(failure: Failure) -> bytes:
    """An error in the middle: an event of its own in Responses and at Groq, a bare object in chat."""
    message = "The server had an error while processing your request."
    if failure.request.path.endswith("/responses"):
        fields: JSON = {
            "type": "error",
            "sequence_number": 3,
            "code": "server_error",
            "message": message,
            "param": None,
        }
        return sse(fields, "error")
    body = {"error": {"message": message, "type": "server_error", "param": None, "code": "server_error"}}
    return sse(body, "error" if dialect(failure.request) == "groq" else None)


def headers(request: Request) -> dict[str, str]:
    number = f"{request.number:08d}"
    if dialect(request) == "openrouter":
        return {"x-generation-id": f"gen-{number}"}
    shared = {
        "x-request-id": f"req_{number}",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-limit-tokens": "200000",
        "x-ratelimit-remaining-tokens": "199900",
        "x-ratelimit-reset-tokens": "30ms",
    }
    if dialect(request) == "azure":
        return {**shared, "apim-request-id": f"apim-{number}", "x-ms-region": "Sweden Central"}
    if dialect(request) == "openai":
        return {
            **shared,
            "openai-version": "2020-10-01",
            "openai-organization": "org-loopback",
            "openai-processing-ms": "42",
        }
    return shared


FAMILY = Family("openai", error, stream_error, headers)
