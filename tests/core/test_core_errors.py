"""Exceptions to error types: by cancellation, the provider's code, HTTP or gRPC status, then the class's name."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pytest

from otel_llm.core.errors import error_type, from_code, from_status, http_status, provider_code
from otel_llm.core.series import ERROR_TYPES


def carrying(name: str = "APIError", **attributes: Any) -> Exception:
    """An error as an SDK makes it: a class of some name, with what it keeps."""
    error: Exception = type(name, (Exception,), {})()
    for key, value in attributes.items():
        setattr(error, key, value)
    return error


def grpc(name: str) -> Exception:
    return carrying("AioRpcError", code=lambda: SimpleNamespace(name=name), details=lambda: "it broke")


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt(), SystemExit()])
def test_who_leaves_has_cancelled(error: BaseException) -> None:
    assert error_type(error) == "cancelled"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (carrying(status_code=429), "rate_limit"),
        (carrying(http_status=401), "authentication"),
        (carrying(response=SimpleNamespace(status_code=503)), "overloaded"),
        (carrying(response={"ResponseMetadata": {"HTTPStatusCode": 404}}), "not_found"),
        (carrying(response={"ResponseMetadata": None}), "_OTHER"),
        (carrying(code=403), "permission"),
        (carrying(code=HTTPStatus.FORBIDDEN), "permission"),
        (carrying(code=1006), "connection"),  # a WebSocket's, when it closes
        (carrying(code=1008), "invalid_request"),
        (carrying(code=1011), "server_error"),
        (carrying(code=4000), "_OTHER"),
        (carrying(status=504), "timeout"),
        (carrying(status_code=418), "invalid_request"),
        (carrying(status_code=599), "server_error"),
        (carrying(status_code=42), "_OTHER"),
        (carrying(status_code="429"), "_OTHER"),
    ],
)
def test_a_status_wherever_an_sdk_keeps_it(error: Exception, told: str) -> None:
    assert error_type(error) == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (carrying(status_code=429, code="insufficient_quota"), "quota"),
        (carrying(status_code=400, code="context_length_exceeded"), "context_length"),
        (carrying(status_code=500, code="rate_limit_exceeded"), "server_error"),  # no sharper than the status
        (carrying(status_code=200, code="server_error"), "server_error"),  # an error within a stream
        (carrying(type="overloaded_error"), "overloaded"),
        (carrying(response={"Error": {"Code": "ThrottlingException"}}), "rate_limit"),
        (carrying(response={"Error": None}), "_OTHER"),
        (carrying(code="something_of_theirs"), "_OTHER"),
        (carrying(code="timeout"), "timeout"),
        (carrying(code="502"), "server_error"),  # a status told as text, within a stream
        (carrying(code="5021"), "_OTHER"),
        (carrying(status_code=413, code="rate_limit_exceeded"), "rate_limit"),  # beyond the tokens of a minute, at Groq
        (carrying(status_code=413), "context_length"),
        (carrying(status_code=429, type="rate_limit_error", error_code="enforced_spend_limit_reached"), "quota"),
        (carrying(status_code=429, type="rate_limit_error", error_code="ramp_limit_exceeded"), "rate_limit"),
        (carrying(status_code=400, code="moderation_blocked"), "content_filter"),
        (carrying(response={"Error": {"Code": "ExpiredTokenException"}}, status_code=403), "authentication"),
    ],
)
def test_the_provider_s_own_code(error: Exception, told: str) -> None:
    assert error_type(error) == told


@pytest.mark.parametrize(
    ("name", "told"),
    [("DEADLINE_EXCEEDED", "timeout"), ("RESOURCE_EXHAUSTED", "rate_limit"), ("UNHEARD_OF", "_OTHER")],
)
def test_grpc(name: str, told: str) -> None:
    assert error_type(grpc(name)) == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "connection"),
        (BrokenPipeError(), "connection"),
        (json.JSONDecodeError("odd", "", 0), "parse"),
        (carrying("MyRateLimitError"), "rate_limit"),
        (type("Odd", (TimeoutError,), {})(), "timeout"),
        (ValueError(), "_OTHER"),
    ],
)
def test_by_the_name_of_the_class_or_of_one_it_comes_from(error: Exception, told: str) -> None:
    assert error_type(error) == told


def test_an_error_that_says_nothing_is_what_caused_it() -> None:
    error = carrying("APIError")
    error.__cause__ = carrying("ReadTimeout")
    assert error_type(error) == "timeout"


@pytest.mark.parametrize("keeps", [{"status": 502}, {"rcvd": None}])
def test_nobody_is_asked_for_a_code_who_warns_of_it(keeps: dict[str, Any]) -> None:
    class Warns(Exception):
        @property
        def code(self) -> int:
            raise AssertionError

    error = Warns()
    for key, value in keeps.items():
        setattr(error, key, value)
    assert error_type(error) in ("server_error", "_OTHER")
    assert provider_code(error) is None


def test_each_answer_is_of_the_closed_set() -> None:
    assert {from_status(status) for status in range(400, 600)} <= set(ERROR_TYPES)
    assert from_code("") is None
    assert from_code("InsufficientQuota") is None
    assert http_status(carrying(status_code=302)) == 302
