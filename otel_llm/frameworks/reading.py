"""What a span by the GenAI or MCP conventions says: of which kind it is, how it ended, what an inference consumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_llm.calls.runs import Kind
from otel_llm.core.errors import error_type, from_code, from_status, named
from otel_llm.core.model import Usage
from otel_llm.core.series import ERROR_TYPES

OPERATION = "gen_ai.operation.name"
METHOD = "mcp.method.name"
AGENT = "gen_ai.agent.name"
TOOL = "gen_ai.tool.name"

KINDS: Mapping[str, Kind] = {
    "chat": "inference", "generate_content": "inference", "text_completion": "inference", "embeddings": "inference",
    "invoke_agent": "agent", "invoke_workflow": "workflow", "execute_tool": "tool", "retrieval": "retrieval",
}  # fmt: skip
SCOPES = (
    "strands", "agent_framework", "gcp.vertex.agent", "semantic_kernel", "pydantic-ai", "autogen", "mcp-python-sdk", "fastmcp",
    "haystack", "agno", "crewai", "langgraph", "smolagents", "llama_index", "google.adk", "claude_agent_sdk",
)  # fmt: skip
"""Instrumentation scopes, or what they begin with, of frameworks that name their spans by the conventions and say the
operation only at the end: the first word of the name is the operation."""
_RPC = {-32700: "parse", -32600: "invalid_request", -32601: "not_found", -32602: "invalid_request", -32603: "server_error",
        -32001: "timeout", -32002: "not_found", -32000: "connection"}  # fmt: skip
_OLDER = frozenset(("chat", "completion", "embedding", "LLM", "EMBEDDING"))
"""What OpenLLMetry's ``llm.request.type`` and OpenInference's ``openinference.span.kind`` call an inference."""

_TOOL_CALLS = (
    ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result"), ("tool_arguments", "tool_response"),
    ("gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response"),
)  # fmt: skip
PROVIDERS: Mapping[str, str] = {
    "az.ai.inference": "azure.ai.inference", "az.ai.openai": "azure.ai.openai", "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai", "azure-openai": "azure.ai.openai", "azureopenai": "azure.ai.openai",
    "openai.chat": "openai", "openai.responses": "openai", "openai-chat": "openai", "openai-responses": "openai",
    "open_ai": "openai", "gemini": "gcp.gemini", "gcp.gen_ai": "gcp.gemini", "google": "gcp.gemini", "google-gla": "gcp.gemini",
    "google_genai": "gcp.gemini", "vertex_ai": "gcp.vertex_ai", "vertexai": "gcp.vertex_ai", "google-vertex": "gcp.vertex_ai",
    "aws_bedrock": "aws.bedrock", "bedrock": "aws.bedrock", "amazon_bedrock": "aws.bedrock", "aws": "aws.bedrock",
    "mistral": "mistral_ai", "mistralai": "mistral_ai", "xai": "x_ai", "watsonx": "ibm.watsonx.ai",
}  # fmt: skip
"""Names that frameworks use for a provider -> the registry's name, which our own metrics carry."""


def named_by_form(name: str) -> tuple[Kind, str]:
    """Kind and object of a span name of the conventions' form ``{operation} {object}``; empty ones for any other name."""
    operation, named = _by_form(name)
    return KINDS.get(operation, ""), named


def operation_of(name: str) -> str:
    """The operation that a span name of the conventions' form begins with; ``chat`` for any other name."""
    return _by_form(name)[0] or "chat"


def _by_form(name: str) -> tuple[str, str]:
    operation, space, named = name.partition(" ")
    return (operation, named) if operation in KINDS and bool(space) is bool(named) else ("", "")


def known_scope(scope: str) -> bool:
    """Whether the spans of an instrumentation scope are named by the conventions."""
    return scope.startswith(SCOPES)


def kind_of(attributes: Mapping[str, Any], scope: str, name: str, *, server: bool) -> Kind:
    """What a span is, by its operation, its MCP method, or the form of its name; empty for a span that is none of ours."""
    if METHOD in attributes:
        return "mcp_server" if server else "mcp_client"
    operation = attributes.get(OPERATION)
    if operation is not None:
        return KINDS.get(str(operation), "")
    older = attributes.get("llm.request.type") or attributes.get("openinference.span.kind")
    if older is not None:
        return "inference" if str(older) in _OLDER else ""
    return named_by_form(name)[0] if known_scope(scope) else ""


def provider(attributes: Mapping[str, Any]) -> str:
    """The provider of an inference span by the registry's name; ``_OTHER`` where the span names none."""
    names = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
    name = str(next((attributes[key] for key in names if attributes.get(key)), "_OTHER"))
    return PROVIDERS.get(name.lower(), name.lower() if name != "_OTHER" else name)


def model(attributes: Mapping[str, Any]) -> str:
    """The model that an inference span asks; empty where it names none."""
    return str(attributes.get("gen_ai.request.model") or attributes.get("llm.model_name") or "")


def usage(attributes: Mapping[str, Any]) -> Usage | None:
    """The tokens of an inference span; None where it has none."""
    usage = Usage(
        _tokens(attributes, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
        _tokens(attributes, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"),
        _tokens(attributes, "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
                "gen_ai.usage.details.cache_read_tokens", "llm.token_count.prompt_details.cache_read"),
        _tokens(attributes, "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
                "gen_ai.usage.cache_write_input_tokens", "gen_ai.usage.details.cache_write_tokens",
                "llm.token_count.prompt_details.cache_write"),
        thinking_tokens=_tokens(attributes, "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.details.reasoning_tokens",
                                "llm.token_count.completion_details.reasoning"),
    )  # fmt: skip
    return usage if usage.known else None


def _tokens(attributes: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = attributes.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def finish_reasons(attributes: Mapping[str, Any]) -> list[str]:
    """Why an answer ended, from a list, a JSON list in a text, or one word."""
    reasons = attributes.get("gen_ai.response.finish_reasons") or attributes.get("gen_ai.response.finish_reason") or ()
    if isinstance(reasons, str):
        reasons = [part.strip(' "') for part in reasons.strip("[]").split(",")]
    return [str(reason).rpartition(".")[2] for reason in reasons if reason]


def tool_call(attributes: Mapping[str, Any], events: Any) -> tuple[Any, Any]:
    """Arguments and result of a tool call, from attributes or, as Strands has them, from events; None where a span has none."""
    for arguments, answered in _TOOL_CALLS:
        if arguments in attributes:
            return attributes[arguments], attributes.get(answered)
    contents = {event.name: event.attributes or {} for event in events or ()}
    return contents.get("gen_ai.tool.message", {}).get("content"), contents.get("gen_ai.choice", {}).get("message")


def failure(attributes: Mapping[str, Any], status: Any, events: Any) -> str:
    """The error type of a span that has ended; empty for a success.

    Some frameworks set no ``error.type`` on a failed tool, only a status and an exception event: the event's type counts then.
    """
    failure = attributes.get("error.type")
    if failure is None and getattr(getattr(status, "status_code", None), "name", "") != "ERROR":
        return ""
    if failure is None:
        kinds = (event.attributes.get("exception.type") for event in events or () if event.name == "exception")
        failure = next((kind for kind in kinds if kind), "_OTHER")
    return spoken(str(failure))


def spoken(word: str) -> str:
    """An error type of the closed set for what a span calls its error: a word of the set, a provider's code, a class name."""
    if word in ERROR_TYPES:
        return word
    if word.lstrip("-").isdecimal() and word.startswith("-"):
        return rpc(int(word))
    name = word.rpartition(".")[2]
    return "cancelled" if "Cancel" in name else from_code(word) or named(name)


def rpc(code: int) -> str:
    """The error type of a JSON-RPC or MCP error code (https://www.jsonrpc.org/specification, section 5.1)."""
    if 400 <= code < 600:  # noqa: PLR2004 - an HTTP status, which the SDK gives for a timeout
        return from_status(code)
    return _RPC.get(code, "server_error" if -32099 <= code <= -32000 else "_OTHER")  # noqa: PLR2004


def raised(error: BaseException | None) -> str:
    """The error type of what a step raised; empty for None."""
    if error is None:
        return ""
    return "abandoned" if isinstance(error, GeneratorExit) else error_type(error)
