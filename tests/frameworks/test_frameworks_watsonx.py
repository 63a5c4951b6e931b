"""ibm-watsonx-ai under the contract. The client insists on IBM's hosts: its HTTP clients take all to the loopback."""

from __future__ import annotations

import importlib.util
from typing import Any

import httpx
import pytest
from contract import Bench, Contract, Kit, with_client
from contract_content import CONVERSATION
from ibm_watsonx_ai import APIClient, Credentials
from ibm_watsonx_ai.foundation_models import Embeddings, ModelInference

MESSAGES: Any = [{"role": "user", "content": "hi"}]
COUNTED = importlib.util.find_spec("ibm_watsonx_ai._wrappers.httpx") is not None  # from 1.6 on
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


def make(url: str, **more: Any) -> Any:
    """A client whose requests for IBM's hosts come here."""
    credentials = Credentials(url=f"https://{HOST}", token="test-key")
    return APIClient(credentials, httpx_client=httpx.Client(transport=_Sync(url)), **more)


def make_async(url: str) -> Any:
    return make(url, async_httpx_client=httpx.AsyncClient(transport=_Async(url)))


def close(api: Any) -> Any:
    api.httpx_client.close()
    http = api.async_httpx_client
    return http.aclose() if isinstance(http, httpx.AsyncClient) and isinstance(http._transport, _Async) else None


def model(api: Any, name: str = "granite-x") -> Any:
    return ModelInference(model_id=name, api_client=api, project_id="p-1", validate=False, delay_time=0)


class TestWatsonx(Contract):
    kit = Kit(
        library="watsonx",
        greets=r"/identity/token|/authorize|^/v2/(projects|spaces)/",
        switches=False,  # the model belongs to the object that is asked
        provider="ibm.watsonx.ai",
        model="granite-x",
        address=HOST,
        make=make,
        make_async=make_async,
        plain=lambda api, name: model(api, name).chat(messages=MESSAGES),
        plain_async=lambda api, name: model(api, name).achat(messages=MESSAGES),
        stream=lambda api, name: model(api, name).chat_stream(messages=MESSAGES),
        stream_async=lambda api, name: model(api, name).achat_stream(messages=MESSAGES),
        close=close,
        thinking=None,  # it tells of neither
        cached=None,
        retried="fail-429-2" if COUNTED else None,
        talk=lambda api, name: model(api, name).chat(messages=CONVERSATION),
    )

    @pytest.mark.parametrize(
        ("operation", "stream", "ask"),
        [
            ("text_completion", False, lambda api: model(api).generate_text("hi")),
            ("text_completion", True, lambda api: list(model(api).generate_text_stream("hi", raw_response=True))),
        ],
    )
    def test_operations(self, bench: Bench, operation: str, stream: bool, ask: Any) -> None:
        with_client(self.kit, bench.server.url, ask)
        call = bench.ended_once()
        assert (call.operation, call.stream, call.error_type) == (operation, stream, "")
        assert (call.input_tokens, call.output_tokens) == (100, 20)

    def test_embeddings(self, bench: Bench) -> None:
        ask = lambda api: Embeddings(model_id="embed-x", api_client=api, project_id="p-1").generate(["hi"])
        with_client(self.kit, bench.server.url, ask)
        call = bench.ended_once()
        assert (call.operation, call.input_tokens) == ("embeddings", 8)
