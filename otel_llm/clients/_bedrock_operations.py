"""Operations of AWS's that are calls of models, with what reads them; agents and knowledge bases among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from otel_llm.core.jsonview import parsed
from otel_llm.core.model import Reader, Response, Usage
from otel_llm.core.shapes import NamedTuple

from . import _bedrock_content
from ._bedrock_converse import CONVERSE, read_exception
from ._bedrock_invoke import INVOKE
from ._bedrock_invoke import asked as asked_in_body
from ._bedrock_models import model_of
from ._guardrails import read_applied
from ._read import attr, count, text


def read_agent_event(event: Any, into: Response) -> bool:
    """An event of an agent's answer; its traces, where they were asked for, say what each of its models used."""
    headers: Mapping[str, Any] = getattr(event, "headers", {})
    kind = headers.get(":event-type")
    if kind is None:
        read_exception(headers, into)
    elif kind == "trace":
        steps = attr(parsed(event.payload), "trace")
        for step in steps.values() if isinstance(steps, dict) else ():
            _read_step(step, into)
    return kind in ("chunk", "output")


def _read_step(step: Any, into: Response) -> None:
    into.model = model_of(attr(step, "modelInvocationInput", "foundationModel")) or into.model
    reported = attr(step, "modelInvocationOutput", "metadata", "usage")
    usage = Usage(count(attr(reported, "inputTokens")), count(attr(reported, "outputTokens")))
    if usage.known:
        into.usage = usage if into.usage is None else into.usage.plus(usage)
        into.requests += 1


AGENT = Reader(lambda _, __: None, read_agent_event)
APPLIED = Reader(read_applied, usage=False)
NO_USAGE = Reader(lambda _, __: None, read_agent_event, usage=False)


class Operation(NamedTuple):
    """An operation of AWS's that is one of ours. ``stream`` is the key of the event stream in its result."""

    name: str
    reader: Reader
    model: Callable[[Mapping[str, Any]], str | None]
    stream: str = ""
    provider: str = "aws.bedrock"
    asked: Callable[[Mapping[str, Any]], dict[str, Any]] = _bedrock_content.asked


def _id(params: Mapping[str, Any]) -> str | None:
    return model_of(params.get("modelId"))


def _generating(params: Mapping[str, Any]) -> str | None:
    asked_for = params.get("retrieveAndGenerateConfiguration")
    inner = attr(asked_for, "knowledgeBaseConfiguration") or attr(asked_for, "externalSourcesConfiguration")
    return model_of(attr(inner, "modelArn"))


def _endpoint(params: Mapping[str, Any]) -> str | None:
    return text(params.get("EndpointName"))


def _inline(params: Mapping[str, Any]) -> str | None:
    return model_of(params.get("foundationModel"))


def _unnamed(_: Mapping[str, Any]) -> str | None:
    return None


_MAKER = "aws.sagemaker"
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("bedrock-runtime", "Converse"): Operation("chat", CONVERSE, _id),
    ("bedrock-runtime", "ConverseStream"): Operation("chat", CONVERSE, _id, "stream"),
    ("bedrock-runtime", "InvokeModel"): Operation("", INVOKE, _id, asked=asked_in_body),
    ("bedrock-runtime", "InvokeModelWithResponseStream"): Operation("", INVOKE, _id, "body", asked=asked_in_body),
    ("bedrock-runtime", "ApplyGuardrail"): Operation("apply_guardrail", APPLIED, _unnamed),
    ("bedrock-runtime", "CountTokens"): Operation("count_tokens", NO_USAGE, _id),
    ("bedrock-agent-runtime", "InvokeAgent"): Operation("invoke_agent", AGENT, _unnamed, "completion"),
    ("bedrock-agent-runtime", "InvokeInlineAgent"): Operation("invoke_agent", AGENT, _inline, "completion"),
    ("bedrock-agent-runtime", "RetrieveAndGenerate"): Operation("retrieve_and_generate", NO_USAGE, _generating),
    ("bedrock-agent-runtime", "RetrieveAndGenerateStream"): Operation("retrieve_and_generate", NO_USAGE, _generating, "stream"),
    ("sagemaker-runtime", "InvokeEndpoint"): Operation("invoke_endpoint", NO_USAGE, _endpoint, "", _MAKER),
    ("sagemaker-runtime", "InvokeEndpointWithResponseStream"): Operation("invoke_endpoint", NO_USAGE, _endpoint, "Body", _MAKER),
}  # fmt: skip
