"""Voyage's multimodal and contextualized embeddings, and rerank for all who put it at /v1/rerank.

Fields: https://docs.voyageai.com/reference, https://docs.together.ai/reference/rerank.
"""

from __future__ import annotations

import re

from otel_llm.testing.loopback.call import VECTOR, Call, Route
from otel_llm.testing.loopback.exchange import JSON, Reply
from otel_llm.testing.loopback.openai import FAMILY, dialect

from . import cohere

RERANK_TOKENS = 26


def multimodal(call: Call) -> Reply:
    inputs = call.body.get("inputs") or [{}]
    data = [{"object": "embedding", "embedding": VECTOR, "index": index} for index in range(len(inputs))]
    usage = {"text_tokens": 5, "image_pixels": 1120, "video_pixels": 0, "total_tokens": 7}
    return Reply.of_json({"object": "list", "data": data, "model": call.answers_model, "usage": usage})


def contextualized(call: Call) -> Reply:
    data = []
    for index, chunks in enumerate(call.body.get("inputs") or [[""]]):
        vectors = [{"object": "embedding", "embedding": VECTOR, "index": n} for n in range(len(chunks))]
        data.append({"object": "list", "data": vectors, "index": index})
    return Reply.of_json(
        {"object": "list", "data": data, "model": call.answers_model, "usage": {"total_tokens": call.embedded}}
    )


def rerank(call: Call) -> Reply:
    """Voyage's, Together's and OpenRouter's answers, and Cohere's for everybody else."""
    name = "voyage" if "truncation" in call.body else dialect(call.request)
    if name not in ("voyage", "together", "openrouter"):
        return cohere.rerank(call)
    documents = call.body.get("documents") or [""]
    ranked: list[JSON] = [{"index": n, "relevance_score": 1 / (n + 2)} for n in range(len(documents))]
    if name == "voyage":
        usage = {"total_tokens": RERANK_TOKENS}
        return Reply.of_json({"object": "list", "data": ranked, "model": call.answers_model, "usage": usage})
    results = [{**one, "document": {"text": str(text)}} for one, text in zip(ranked, documents, strict=True)]
    usage = {"prompt_tokens": RERANK_TOKENS, "completion_tokens": 0, "total_tokens": RERANK_TOKENS}
    if name == "openrouter":
        usage["search_units"] = 1
    body = {"id": call.id("rr-"), "object": "rerank", "model": call.answers_model, "results": results}
    return Reply.of_json({**body, "usage": usage})


ROUTES = (
    Route("POST", re.compile(r"/multimodalembeddings$"), multimodal, FAMILY),
    Route("POST", re.compile(r"/contextualizedembeddings$"), contextualized, FAMILY),
    Route("POST", re.compile(r"/v1/rerank$"), rerank, FAMILY),
)
