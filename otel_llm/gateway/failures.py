"""Why a call failed, in the words of the metrics, from whatever a sender calls it."""

from __future__ import annotations

import re

from otel_llm.core.errors import from_code, from_status, named
from otel_llm.core.series import ERROR_TYPES

from .span import ERROR, Span
from .values import count

OTHER = "_OTHER"
_STATUSES = ("http.response.status_code", "http.status_code", "error.code", "status_code", "http.status")
_WORDS = (
    ("ratelimit", "rate_limit"), ("toomanyrequests", "rate_limit"), ("throttl", "rate_limit"), ("insufficient_quota", "quota"),
    ("billing", "quota"), ("contextwindow", "context_length"), ("contextlength", "context_length"), ("contentpolicy", "content_filter"),
    ("contentfilter", "content_filter"), ("permissiondenied", "permission"), ("accessdenied", "permission"), ("forbidden", "permission"),
    ("authentication", "authentication"), ("unauthorized", "authentication"), ("notfound", "not_found"), ("badrequest", "invalid_request"),
    ("invalidrequest", "invalid_request"), ("unprocessable", "invalid_request"), ("validationexception", "invalid_request"),
    ("timeout", "timeout"), ("taskcanceled", "timeout"), ("timedout", "timeout"), ("cancel", "cancelled"), ("abort", "cancelled"),
    ("generatorexit", "abandoned"), ("overloaded", "overloaded"), ("serviceunavailable", "overloaded"), ("internalserver", "server_error"),
    ("apiconnection", "connection"), ("remoteprotocol", "connection"), ("httprequestexception", "connection"),
    ("connecterror", "connection"), ("connection", "connection"),
)  # fmt: skip
_PHRASES = (
    ("rate limit", "rate_limit"),
    ("too many requests", "rate_limit"),
    ("quota", "quota"),
    ("overloaded", "overloaded"),
)
_STATUS = re.compile(r"(?:error code|status[_ ]?code|status|http)\D{0,3}([45]\d\d)\b", re.IGNORECASE)
_CLASS = re.compile(r"^\W{0,3}([A-Za-z_][\w.]{2,100}(?:Error|Exception|Timeout))\b")


def of_span(span: Span, error: str = "") -> str:
    """The error type of a span that has ended; empty for a success. ``error`` is what its dialect knows beside the conventions."""
    attributes = span.attributes
    stated = error or attributes.get("error.type") or ""
    if span.status != ERROR and not stated:
        return ""
    exceptions = [event for name, _, event in span.events if name == "exception"]
    kinds = [stated, *(event.get("exception.type") for event in exceptions)]
    for kind in kinds:
        if isinstance(kind, str) and (reason := of_word(kind)) != OTHER:
            return reason
    for name in _STATUSES:
        status = count(attributes.get(name))
        if status is not None and 400 <= status < 600:  # noqa: PLR2004 - HTTP
            return from_status(status)
    for message in (span.message, *(event.get("exception.message") for event in exceptions)):
        if isinstance(message, str) and (reason := of_message(message[:256])) != OTHER:
            return reason
    return OTHER


def of_word(word: str) -> str:
    """The error type of a class name, a provider's code or a status."""
    word = word.strip("<>' \"").removeprefix("class '")[:200]
    if word in ERROR_TYPES:
        return word
    if kind := from_code(word):
        return kind
    last = word.rpartition(".")[2]
    bare = last.lower().replace("_", "")
    for part, meant in _WORDS:
        if part.replace("_", "") in bare:
            return meant
    return from_code(last) or named(last)


def of_message(message: str) -> str:
    """The error type of a message that begins with a class name or holds an HTTP status."""
    if match := _STATUS.search(message):
        return from_status(int(match[1]))
    if (match := _CLASS.match(message)) and (reason := of_word(match[1])) != OTHER:
        return reason
    lower = message.lower()
    return next((meant for phrase, meant in _PHRASES if phrase in lower), OTHER)
