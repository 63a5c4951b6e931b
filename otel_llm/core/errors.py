"""Exception -> error type of the closed set that metrics show, for every client library and importing none."""

from __future__ import annotations

import asyncio
from typing import Any

from .series import ERROR_TYPES

LONGEST_ROUTE = 256
_STATUS = {
    400: "invalid_request", 401: "authentication", 402: "quota", 403: "permission", 404: "not_found", 405: "invalid_request",
    408: "timeout", 409: "conflict", 410: "not_found", 413: "context_length", 422: "invalid_request", 424: "server_error",
    429: "rate_limit", 498: "overloaded", 499: "cancelled", 503: "overloaded", 504: "timeout", 529: "overloaded",
}  # fmt: skip
_GRPC = {
    "DEADLINE_EXCEEDED": "timeout", "UNAVAILABLE": "overloaded", "RESOURCE_EXHAUSTED": "rate_limit", "ABORTED": "conflict",
    "UNAUTHENTICATED": "authentication", "PERMISSION_DENIED": "permission", "NOT_FOUND": "not_found", "CANCELLED": "cancelled",
    "INVALID_ARGUMENT": "invalid_request", "FAILED_PRECONDITION": "invalid_request", "OUT_OF_RANGE": "invalid_request",
    "INTERNAL": "server_error", "UNKNOWN": "server_error", "DATA_LOSS": "server_error", "UNIMPLEMENTED": "invalid_request",
}  # fmt: skip
_CLOSED = {
    1007: "invalid_request", 1008: "invalid_request", 1009: "context_length", 1011: "server_error", 1013: "overloaded",
}  # fmt: skip
_CODE = {
    "insufficient_quota": "quota", "billing_error": "quota", "billing_hard_limit_reached": "quota", "credit_balance_too_low": "quota",
    "context_length_exceeded": "context_length", "string_above_max_length": "context_length", "request_too_large": "context_length",
    "content_filter": "content_filter", "content_policy_violation": "content_filter", "responsibleaipolicyviolation": "content_filter",
    "overloaded_error": "overloaded", "overloaded": "overloaded", "serviceunavailableexception": "overloaded",
    "modelnotreadyexception": "overloaded", "rate_limit_error": "rate_limit", "rate_limit_exceeded": "rate_limit",
    "throttlingexception": "rate_limit", "toomanyrequestsexception": "rate_limit", "servicequotaexceededexception": "quota",
    "timeout_error": "timeout", "modeltimeoutexception": "timeout", "server_error": "server_error", "api_error": "server_error",
    "internalserverexception": "server_error", "modelerrorexception": "server_error", "modelstreamerrorexception": "server_error",
    "authentication_error": "authentication", "invalid_api_key": "authentication", "unrecognizedclientexception": "authentication",
    "permission_error": "permission", "accessdeniedexception": "permission", "not_found_error": "not_found",
    "model_not_found": "not_found", "resourcenotfoundexception": "not_found", "invalid_request_error": "invalid_request",
    "contract_spend_limit_reached": "quota", "enforced_spend_limit_reached": "quota",
    "moderation_blocked": "content_filter", "image_content_policy_violation": "content_filter", "bio_policy": "content_filter",
    "misalignment_policy_violation": "content_filter", "invalid_prompt": "content_filter", "vector_store_timeout": "timeout",
    "image_file_not_found": "not_found", "expiredtokenexception": "authentication",
    "data_residency_mismatch": "invalid_request", "invalid_image": "invalid_request", "invalid_image_format": "invalid_request",
    "invalid_base64_image": "invalid_request", "invalid_image_url": "invalid_request", "image_too_large": "invalid_request",
    "image_too_small": "invalid_request", "image_parse_error": "invalid_request", "invalid_image_mode": "invalid_request",
    "image_file_too_large": "invalid_request", "unsupported_image_media_type": "invalid_request",
    "empty_image_file": "invalid_request", "failed_to_download_image": "invalid_request",
    "validationexception": "invalid_request", "conversation_already_has_active_response": "conflict",
}  # fmt: skip
_SHARPER = frozenset(
    {"quota", "context_length", "content_filter", "overloaded", "authentication"}
)  # a body's code beats the status for these
_NAMES = (
    ("timeout", ("Timeout", "TimedOut")),
    ("content_filter", ("ContentFilter", "ContentPolicy", "Guardrail")),
    ("context_length", ("ContextWindow",)),
    ("rate_limit", ("RateLimit", "TooManyRequests", "Throttl")),
    ("authentication", ("Authentication", "Unauthorized", "Credential", "OAuth")),
    ("parse", ("ValidationError", "LengthFinishReason", "JSONDecode", "ResponseValidation", "ParseError", "ParserError",
               "UnknownApiResponse", "Checksum", "UnicodeDecode")),
    ("connection", ("Connect", "Protocol", "ReadError", "WriteError", "NetworkError", "Disconnected", "ClientOSError",
                    "ClientPayload", "IncompleteRead", "ChunkedEncoding", "SSLError", "gaierror", "BrokenPipe", "EndOfStream")),
)  # fmt: skip


def error_type(error: BaseException) -> str:
    """The error type of ``error``: by cancellation, provider's own code, HTTP or gRPC status, then class name."""
    if isinstance(error, (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)):
        return "cancelled"
    if (grpc := _grpc(error)) is not None:
        return grpc
    status, code = http_status(error), from_code(provider_code(error))
    larger = status == 413 and code == "rate_limit"  # noqa: PLR2004 - Groq, of a request beyond the tokens of a minute
    if code is not None and (status is None or status < 400 or larger or code in _SHARPER):  # noqa: PLR2004
        return code
    if status is not None and not 200 <= status < 300:  # noqa: PLR2004
        return from_status(status)
    if (closed := _closed(error)) is not None:
        return closed
    kind = _by_name(error)
    if kind == "_OTHER" and not isinstance(error, Exception):  # trio's, a greenlet's: somebody wishes to stop
        kind = "cancelled"
    if kind == "_OTHER" and error.__cause__ is not None:
        kind = _by_name(error.__cause__)
    return (
        "server_error" if kind == "_OTHER" and status is not None else kind
    )  # a stream of status 200 that says it failed


def from_status(status: int) -> str:
    """The error type of an HTTP status of 400 or more."""
    return _STATUS.get(status, "server_error" if status >= 500 else "invalid_request")  # noqa: PLR2004


def from_code(code: str | None) -> str | None:
    """The error type of a provider's own code (``insufficient_quota``), or None where it says nothing."""
    if not code:
        return None
    if code.isdecimal() and len(code) == 3 and code[0] in "45":  # noqa: PLR2004 - an HTTP status, written as text
        return from_status(int(code))
    return code if code in ERROR_TYPES else _CODE.get(code.lower())


def http_status(error: BaseException) -> int | None:
    """The HTTP status an SDK's exception carries, wherever that SDK keeps it."""
    response = getattr(error, "response", None)
    places: tuple[Any, ...] = (
        getattr(error, "status_code", None),
        getattr(error, "http_status", None),
        getattr(response, "status_code", None),
        _metadata(response).get("HTTPStatusCode"),
        _code(error),
        getattr(error, "status", None),
    )
    for status in places:
        if isinstance(status, int) and 100 <= status < 600:  # noqa: PLR2004
            return int(status)  # some are of an enumeration
    return None


def failure(error: BaseException | None, status: int | None, route: str) -> tuple[int, str]:
    """What the status page shows of a failed call beside its type: the error's HTTP status, else that of the last reply, and the route."""
    own = None if error is None else http_status(error)
    return own or status or 0, route[:LONGEST_ROUTE]


def provider_code(error: BaseException) -> str | None:
    """The provider's own word for what went wrong (``insufficient_quota``, ``ThrottlingException``)."""
    response = getattr(error, "response", None)
    stated = response.get("Error") if isinstance(response, dict) else None
    for code in (
        _known(getattr(error, "error_code", None)),  # anthropic 2's, which says more than its type
        _code(error),
        getattr(error, "type", None),
        stated.get("Code") if isinstance(stated, dict) else None,
    ):
        if isinstance(code, str) and code:
            return code
    return None


def _known(code: Any) -> str | None:
    return code if isinstance(code, str) and code.lower() in _CODE else None


def _metadata(response: Any) -> dict[str, Any]:
    metadata = response.get("ResponseMetadata") if isinstance(response, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _code(error: BaseException) -> Any:
    """An error's ``code``; aiohttp's, which say ``status``, and websockets', which say ``rcvd``, warn when they are asked for it."""
    if type(getattr(error, "status", None)) is int or hasattr(error, "rcvd"):
        return None
    return getattr(error, "code", None)


def _grpc(error: BaseException) -> str | None:
    code = _code(error)
    if not callable(code) or not hasattr(error, "details"):
        return None
    return _GRPC.get(getattr(code(), "name", ""), "_OTHER")


def _closed(error: BaseException) -> str | None:
    """The error type of an ``error`` that has a WebSocket's closing code (RFC 6455 section 7.4.1)."""
    code = _code(error)
    return _CLOSED.get(code, "connection") if type(code) is int and 1000 <= code < 1016 else None  # noqa: PLR2004


def _by_name(error: BaseException) -> str:
    for kind in type(error).__mro__:
        if (label := named(kind.__name__)) != "_OTHER":
            return label
    return "_OTHER"


def named(kind: str) -> str:
    """The error type of an exception of which only the class name is known, as ``TimeoutError``."""
    return next((label for label, parts in _NAMES if any(part in kind for part in parts)), "_OTHER")
