"""ibm-watsonx-ai under us: each call once. The client insists on IBM's hosts: its HTTP clients take all to the loopback."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from ibm_watsonx_ai import APIClient, Credentials
from ibm_watsonx_ai.foundation_models import Embeddings, ModelInference

from otel_llm.loopback import Loopback
from otel_llm.testing import capture

MESSAGES: Any = [{"role": "user", "content": "hi"}]
HOST = "us-south.ml.cloud.ibm.com"


def _here(request: httpx.Request, url: httpx.URL) -> httpx.Request:
    request.url = request.url.copy_with(scheme="http", host=url.host, port=url.port)
    return request


class _Sync(httpx.HTTPTransport):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = httpx.URL(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return super().handle_request(_here(request, self.url))


class _Async(httpx.AsyncHTTPTransport):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = httpx.URL(url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await super().handle_async_request(_here(request, self.url))


@pytest.fixture
async def ibm() -> Any:
    with Loopback() as server, httpx.Client(transport=_Sync(server.url)) as sync:
        async with httpx.AsyncClient(transport=_Async(server.url)) as asynchronous:
            credentials = Credentials(url=f"https://{HOST}", token="test-key")
            api = APIClient(credentials, project_id="p-1", httpx_client=sync, async_httpx_client=asynchronous)
            with capture("watsonx") as captured:
                yield api, captured


def model(api: Any, name: str = "granite-x") -> Any:
    return ModelInference(model_id=name, api_client=api, project_id="p-1", validate=False)


@pytest.mark.parametrize(
    ("operation", "stream", "ask"),
    [
        ("chat", False, lambda m: m.chat(messages=MESSAGES)),
        ("chat", True, lambda m: list(m.chat_stream(messages=MESSAGES))),
        ("text_completion", False, lambda m: m.generate_text("hi")),
        ("text_completion", True, lambda m: list(m.generate_text_stream("hi", raw_response=True))),
    ],
)
async def test_once(ibm: Any, operation: str, stream: bool, ask: Any) -> None:
    api, captured = ibm
    assert ask(model(api))
    call = captured.call
    assert (call.provider, call.operation, call.request_model, call.error_type) == (
        "ibm.watsonx.ai",
        operation,
        "granite-x",
        "",
    )
    assert (call.input_tokens, call.output_tokens, call.server_address) == (100, 20, HOST)
    assert (call.stream, captured.open) == (stream, 0)


async def test_async(ibm: Any) -> None:
    api, captured = ibm
    await model(api).achat(messages=MESSAGES)
    assert captured.call.output_tokens == 20
    captured.clear()
    assert [piece async for piece in await model(api).achat_stream(messages=MESSAGES)]
    assert (captured.call.output_tokens, captured.call.stream) == (20, True)


async def test_embeddings(ibm: Any) -> None:
    api, captured = ibm
    Embeddings(model_id="embed-x", api_client=api, project_id="p-1").generate(["hi"])
    assert (captured.call.operation, captured.call.input_tokens) == ("embeddings", 8)


async def test_refused(ibm: Any) -> None:
    api, captured = ibm
    with pytest.raises(Exception, match="400"):
        model(api, "granite-x-fail-400").chat(messages=MESSAGES)
    assert captured.call.error_type == "invalid_request"
