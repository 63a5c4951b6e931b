"""FastAPI with streaming: ``opentelemetry-instrument uvicorn examples.fastapi_app:app --workers 4``; metrics on :9464."""

from collections.abc import AsyncIterator
from typing import Annotated

import openai
from fastapi import Depends, FastAPI, Header
from fastapi.responses import StreamingResponse

import otel_llm
from otel_llm.middleware import ASGIMiddleware

app = FastAPI()
app.add_middleware(ASGIMiddleware)  # each call carries the route that it was made for, and what the request cost


def client() -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI()


Client = Annotated[openai.AsyncOpenAI, Depends(client)]


@app.get("/ask")
async def ask(q: str, llm: Client, x_tenant: Annotated[str, Header()] = "none") -> dict[str, str]:
    with otel_llm.labels(tenant=x_tenant):  # a metric label once OTEL_LLM_METRIC_LABELS=tenant allows it
        reply = await llm.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": q}])
    return {"answer": reply.choices[0].message.content or ""}


@app.get("/stream")
async def stream(q: str, llm: Client) -> StreamingResponse:
    async def words() -> AsyncIterator[str]:
        chunks = await llm.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": q}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in chunks:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return StreamingResponse(words(), media_type="text/plain")
