"""Amazon Bedrock through botocore (boto3) and aiobotocore: models, agents and knowledge bases; and SageMaker's endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.calls.declarations import (
    Args,
    Around,
    Attempt,
    Body,
    ClientLibrary,
    Kwargs,
    Patch,
    Stream,
    Value,
    Watched,
)
from otel_llm.calls.iterate import CARRIED
from otel_llm.core.jsonview import parsed
from otel_llm.core.model import AttributeValue, Request

from . import _hosts
from ._bedrock_body import read_body
from ._bedrock_converse import asked_tier
from ._bedrock_invoke import INVOKE
from ._bedrock_models import operation_of
from ._bedrock_operations import APPLIED, OPERATIONS
from ._bedrock_trial import TRIAL
from ._expected import expected
from ._guardrails import guardrail_of
from ._read import attr, items, parameters, text

_PARAMETERS = {
    "maxTokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "topP": "gen_ai.request.top_p",
    "stopSequences": "gen_ai.request.stop_sequences",
}

_KNOWLEDGE = ("retrieveAndGenerateConfiguration", "knowledgeBaseConfiguration", "knowledgeBaseId")
_NAMED: Mapping[tuple[str, ...], str] = {
    ("agentId",): "gen_ai.agent.id",
    ("sessionId",): "gen_ai.conversation.id",
    ("guardrailConfig", "guardrailIdentifier"): "aws.bedrock.guardrail.id",
    ("guardrailIdentifier",): "aws.bedrock.guardrail.id",
    _KNOWLEDGE: "aws.bedrock.knowledge_base.id",
}


def _read(client: Any, args: Args, kwargs: Kwargs) -> Request | None:
    action = args[0] if args else kwargs.get("operation_name")
    operation = OPERATIONS.get((client.meta.service_model.service_name, action or ""))
    if operation is None:
        return None
    params: Mapping[str, Any] = (args[1] if len(args) > 1 else kwargs.get("api_params")) or {}
    model = operation.model(params)
    name, host, port = _hosts.behind_text(client.meta.endpoint_url or "", operation.provider)
    config = params.get("inferenceConfig")
    attributes: dict[str, AttributeValue] = parameters(config if isinstance(config, dict) else {}, _PARAMETERS)
    attributes["otel_llm.bedrock.operation"] = str(action)
    for path, attribute in _NAMED.items():
        if (value := text(attr(params, *path))) is not None:
            attributes[attribute] = value
    kind = operation.name or operation_of(model)
    return Request(
        name, kind, model, operation.reader, host, port, bool(operation.stream), attributes,
        asked_tier(params), lambda: operation.asked(params), _regional(client), fees=_fees(kind, params),
        expects=expected(params), guardrail=guardrail_of(params), counted=operation.reader is not APPLIED,
    )  # fmt: skip


def _watch(result: Any, request: Request) -> Watched:
    """The event stream in the result, wherever it stands; else the result is the answer, and a body in it is left alone."""
    if request.stream:
        for value in result.values():
            if hasattr(value, "_event_generator"):
                return Stream(value, "_event_generator", value, vars(value))
    body = result.get("body") if request.reader is INVOKE and request.operation == "chat" else None
    return Body(result, body, read_body) if hasattr(body, "read") else Value(result)


def _switched(args: Args, kwargs: Kwargs, model: str) -> tuple[Args, dict[str, Any]] | None:
    """The same request to another model, unless it is to something without one, as an agent."""
    params = args[1] if len(args) > 1 else kwargs.get("api_params")
    if not isinstance(params, dict) or "modelId" not in params:
        return None
    other = {**params, "modelId": model}
    return ((args[0], other, *args[2:]), {**kwargs}) if len(args) > 1 else (args, {**kwargs, "api_params": other})


def _unparsed(events: Any, _: Any, __: Any, error: BaseException | None) -> None:
    """A frame of a stream that the library cannot parse: the caller gets the error, and the call fails with it."""
    call = vars(events).get(CARRIED)
    if error is not None and call is not None:
        call.fail(error)


def _regional(client: Any) -> str | None:
    return text(attr(client, "meta", "region_name"))


def _fees(operation: str, params: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    """Reranking is billed by the query, of 100 documents at most each. https://aws.amazon.com/bedrock/pricing"""
    documents = items(attr(parsed(params.get("body")), "documents")) if operation == "rerank" else []
    return (("rerank", float(-(-len(documents) // 100))),) if documents else ()


def _failed(result: Any) -> int | BaseException | None:
    """Why an attempt failed: botocore has ((http response, parsed), exception)."""
    answer, error = result
    if error is not None:
        return error if isinstance(error, BaseException) else None
    status = attr(answer[0], "status_code") if answer else None
    return status if isinstance(status, int) and status >= 300 else None  # noqa: PLR2004


library = ClientLibrary(
    name="bedrock",
    distribution="botocore",
    requires=">=1.34.116",
    tested=("1.34.116", "1.43.117"),
    operations=(
        "chat",
        "embeddings",
        "rerank",
        "image_generation",
        "count_tokens",
        "invoke_agent",
        "retrieve_and_generate",
        "invoke_endpoint",
    ),
    hooks=(
        Patch("botocore.client", ("BaseClient._make_api_call",), _read, _watch, switch=_switched),
        Patch("aiobotocore.client", ("AioBaseClient._make_api_call",), _read, _watch, switch=_switched),
        Around("botocore.eventstream", ("EventStream._parse_event",), _unparsed),
        Around("aiobotocore.eventstream", ("AioEventStream._parse_event",), _unparsed),
        Attempt("botocore.endpoint", ("Endpoint._get_response",), _failed),
        Attempt("aiobotocore.endpoint", ("AioEndpoint._get_response",), _failed),
    ),
    notes=(
        "boto3, and aiobotocore over aiohttp or httpx, over which its own event streams do not work yet (3.10). InvokeModel is read "
        "from its response's headers, and from its body as the caller reads it."
    ),
    trial=TRIAL,
)
