"""A client library that nobody knows: what a contributor finds. It speaks OpenAI's chat."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import httpx


def _model(text: str) -> Any:
    return json.loads(text, object_hook=lambda found: SimpleNamespace(**found))


def _event(line: str) -> Any:
    return _model(line[6:]) if line.startswith("data: {") else None


class Client:
    def __init__(self, *, base_url: str, api_key: str) -> None:
        self.base_url = base_url
        self._http = httpx.Client(base_url=base_url, headers={"authorization": f"Bearer {api_key}"})

    def chat(self, *, model: str, messages: list[Any], stream: bool = False) -> Any:
        body = {"model": model, "messages": messages, "stream": stream}
        if stream:
            return self._stream({**body, "stream_options": {"include_usage": True}})
        reply = self._http.post("/chat/completions", json=body)
        reply.raise_for_status()
        return _model(reply.text)

    def _stream(self, body: Any) -> Iterator[Any]:
        with self._http.stream("POST", "/chat/completions", json=body) as reply:
            reply.raise_for_status()
            for line in reply.iter_lines():
                if (event := _event(line)) is not None:
                    yield event

    def close(self) -> None:
        self._http.close()


class AsyncClient:
    def __init__(self, *, base_url: str, api_key: str) -> None:
        self.base_url = base_url
        self._http = httpx.AsyncClient(base_url=base_url, headers={"authorization": f"Bearer {api_key}"})

    async def chat(self, *, model: str, messages: list[Any], stream: bool = False) -> Any:
        body = {"model": model, "messages": messages, "stream": stream}
        if stream:
            return self._stream({**body, "stream_options": {"include_usage": True}})
        reply = await self._http.post("/chat/completions", json=body)
        reply.raise_for_status()
        return _model(reply.text)

    async def _stream(self, body: Any) -> AsyncIterator[Any]:
        async with self._http.stream("POST", "/chat/completions", json=body) as reply:
            reply.raise_for_status()
            async for line in reply.aiter_lines():
                if (event := _event(line)) is not None:
                    yield event

    async def aclose(self) -> None:
        await self._http.aclose()
