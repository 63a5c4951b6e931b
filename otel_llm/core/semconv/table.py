"""The conventions' attributes of model calls as facts: what spans, events and instruments are made from, and checked against.

Transcribed from OpenTelemetry's GenAI conventions 1.41.0 (``RELEASED``) and from their main branch as of November 2026 (``LATEST``).
``since`` is the first version that has an attribute by its name; 1.26 stands for that and those before. Rows of ours have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from otel_llm.core.shapes import NamedTuple

Type = Literal["string", "int", "double", "boolean", "string[]", "any"]
Word = Literal["released", "latest", "proposed"]
RELEASED: Final = "1.41.0"
LATEST: Final = "main, November 2026"
SCHEMA_URL: Final = f"https://opentelemetry.io/schemas/{RELEASED}"

REQUIRED, RECOMMENDED, OPT_IN = "required", "recommended", "opt-in"
"""Requirement levels. Any other text is the condition under which an attribute is required."""
_ERROR = "if the operation ended in an error"
_AVAILABLE = "if available"
_STREAM = "if the request is streaming"


class Attribute(NamedTuple):
    """An attribute of a call's span. ``on`` has its requirement level by the kind of span; ``words`` the vocabularies that have it.

    ``other`` is the type that the latest vocabulary has, where it is another one. ``values`` are the well-known ones of an open
    enumeration. ``stage`` says when it is there: for samplers at the start, at the end, with a failure, or with captured content.
    """

    name: str
    type: Type
    about: str
    on: Mapping[str, str]
    since: str = ""
    words: tuple[Word, ...] = ("released", "latest")
    stage: Literal["start", "end", "failure", "content"] = "end"
    other: Type | None = None
    values: tuple[str, ...] = ()
    field: str = ""  # of ``Usage``, where the value comes from there

    @property
    def ours(self) -> bool:
        """Whether the name is of our own namespace."""
        return self.name.startswith("otel_llm.")

    def type_in(self, *words: str) -> Type:
        """The type under a vocabulary; under several at once, that of the released one."""
        return self.other if self.other is not None and "released" not in words else self.type


def _on(inference: str = "", embeddings: str = "", fetch: str = "") -> Mapping[str, str]:
    kinds = {"inference": inference, "embeddings": embeddings, "fetch": fetch}
    return MappingProxyType({kind: level for kind, level in kinds.items() if level})


_NEW: tuple[Word, ...] = ("latest",)
_ALL = _on(REQUIRED, REQUIRED, REQUIRED)
_ANY = _on(RECOMMENDED, RECOMMENDED, RECOMMENDED)
_ASKED = _on(RECOMMENDED)
_APPLIES = _on("recommended, when applicable")
PROVIDERS = (
    "openai", "gcp.gen_ai", "gcp.vertex_ai", "gcp.gemini", "anthropic", "cohere", "azure.ai.inference", "azure.ai.openai",
    "ibm.watsonx.ai", "aws.bedrock", "perplexity", "x_ai", "deepseek", "groq", "mistral_ai",
)  # fmt: skip
OPERATIONS = (
    "chat", "generate_content", "text_completion", "embeddings", "retrieval", "create_agent", "invoke_agent", "execute_tool",
    "invoke_workflow",
)  # fmt: skip
_ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("gen_ai.operation.name", "string", "`chat`, `embeddings`, ...: see [client libraries](providers.md)", _ALL, "1.27",
              stage="start", values=OPERATIONS),
    Attribute("gen_ai.provider.name", "string", "who is behind the client: `openai`, `azure.ai.openai`, `aws.bedrock`, ...", _ALL,
              "1.37", stage="start", values=PROVIDERS),
    Attribute("gen_ai.request.model", "string", "as it was asked for", _on(_AVAILABLE, _AVAILABLE, _AVAILABLE), "1.26",
              stage="start"),
    Attribute("server.address", "string", "the host behind the client", _ANY, "1.26", stage="start"),
    Attribute("server.port", "int", "the port, that of the scheme where the URL has none",
              _on(*("if `server.address` is set",) * 3), "1.26", stage="start"),
    Attribute("otel_llm.label.*", "string", "every label of `otel_llm.labels(...)`", _on(*("if there are labels",) * 3), stage="start"),
    # what was asked
    Attribute("gen_ai.request.stream", "boolean", "`true`, or absent", _on(_STREAM, fetch=_STREAM), "1.41"),
    Attribute("gen_ai.request.temperature", "double", "", _ASKED, "1.26"),
    Attribute("gen_ai.request.top_p", "double", "", _ASKED, "1.26"),
    Attribute("gen_ai.request.top_k", "double", "a whole number; `int` in the latest vocabulary", _ASKED, "1.27", other="int"),
    Attribute("gen_ai.request.max_tokens", "int", "", _ASKED, "1.26"),
    Attribute("gen_ai.request.choice.count", "int", "how many answers", _on("if given and not 1"), "1.31"),
    Attribute("gen_ai.request.seed", "int", "", _on("if given"), "1.30"),
    Attribute("gen_ai.request.stop_sequences", "string[]", "", _ASKED, "1.27"),
    Attribute("gen_ai.request.frequency_penalty", "double", "", _ASKED, "1.27"),
    Attribute("gen_ai.request.presence_penalty", "double", "", _ASKED, "1.27"),
    Attribute("gen_ai.request.encoding_formats", "string[]", "", _on(embeddings=RECOMMENDED), "1.29"),
    Attribute("gen_ai.embeddings.dimension.count", "int", "", _on(embeddings=RECOMMENDED), "1.38"),
    Attribute("gen_ai.output.type", "string", "what kind of answer was asked for", _on("if the request names one"), "1.31",
              values=("text", "json", "image", "speech")),
    Attribute("gen_ai.request.reasoning.level", "string", "as the provider calls it: `low`, `high`, ...", _APPLIES, "main", _NEW),
    Attribute("gen_ai.request.previous_response.id", "string", "the answer that this one goes on from", _ASKED, "main", _NEW),
    Attribute("gen_ai.conversation.id", "string", "of the library, or of `otel_llm.labels(conversation=...)`",
              _on("when available"), "1.34"),
    Attribute("gen_ai.prompt.name", "string", "a prompt that the provider keeps", _on("when a named prompt is used"), "1.40"),
    Attribute("gen_ai.prompt.version", "string", "", _on("when available"), "main", _NEW),
    Attribute("gen_ai.agent.id", "string", "an agent that the provider runs", _on("if applicable"), "1.31"),
    Attribute("openai.api.type", "string", "which API of OpenAI's was asked", _on(RECOMMENDED, fetch=RECOMMENDED), "1.40",
              values=("chat_completions", "responses")),
    Attribute("openai.request.service_tier", "string", "", _on("if given and not `auto`"), "1.37"),
    Attribute("aws.bedrock.guardrail.id", "string", "", _on("if the request names one"), "1.34"),
    Attribute("aws.bedrock.knowledge_base.id", "string", "", _ASKED, "1.34"),
    # content
    Attribute("gen_ai.response.model", "string", "", _on(RECOMMENDED, RECOMMENDED), "1.26"),
    Attribute("gen_ai.response.id", "string", "", _on(RECOMMENDED, fetch=RECOMMENDED), "1.26"),
    Attribute("gen_ai.response.finish_reasons", "string[]",
              "in the provider's own words; metrics have common ones (`stop`, `length`, `tool_calls`, `content_filter`)", _ASKED, "1.26"),
    Attribute("gen_ai.response.time_to_first_chunk", "double", "seconds", _on("recommended, if the request is streaming"), "1.41"),
    Attribute("openai.response.service_tier", "string", "", _on("if the response has one"), "1.37"),
    Attribute("openai.response.system_fingerprint", "string", "", _ASKED, "1.37"),
    Attribute("gen_ai.usage.input_tokens", "int", "cached ones included, for every provider", _on(RECOMMENDED, RECOMMENDED), "1.27",
              field="input_tokens"),
    Attribute("gen_ai.usage.output_tokens", "int", "thinking included, for every provider", _ASKED, "1.27", field="output_tokens"),
    Attribute("gen_ai.usage.cache_read.input_tokens", "int", "part of the input", _ASKED, "1.40", field="cache_read_tokens"),
    Attribute("gen_ai.usage.cache_creation.input_tokens", "int", "part of the input", _ASKED, "1.40", ("released",),
              field="cache_write_tokens"),
    Attribute("gen_ai.usage.cache_write.input_tokens", "int", "part of the input", _APPLIES, "main", _NEW, field="cache_write_tokens"),
    Attribute("gen_ai.usage.reasoning.output_tokens", "int", "part of the output", _APPLIES, "1.41", field="thinking_tokens"),
    Attribute("gen_ai.usage.text.input_tokens", "int", "where the provider splits them", _APPLIES, "main", _NEW, field="input_text_tokens"),
    Attribute("gen_ai.usage.text.output_tokens", "int", "", _APPLIES, "main", _NEW, field="output_text_tokens"),
    Attribute("gen_ai.usage.audio.input_tokens", "int", "", _APPLIES, "main", _NEW, field="input_audio_tokens"),
    Attribute("gen_ai.usage.audio.output_tokens", "int", "", _APPLIES, "main", _NEW, field="output_audio_tokens"),
    Attribute("gen_ai.usage.audio.cache_read.input_tokens", "int", "", _APPLIES, "main", _NEW, field="cache_audio_read_tokens"),
    Attribute("gen_ai.usage.image.input_tokens", "int", "", _APPLIES, "main", _NEW, field="input_image_tokens"),
    Attribute("gen_ai.usage.image.output_tokens", "int", "", _APPLIES, "main", _NEW, field="output_image_tokens"),
    Attribute("gen_ai.usage.image.cache_read.input_tokens", "int", "", _APPLIES, "main", _NEW, field="cache_image_read_tokens"),
    Attribute("gen_ai.usage.cost.amount", "double", "", _on(*("if the cost is known",) * 2), "proposed", ("proposed",)),
    Attribute("gen_ai.usage.cost.currency", "string", "`USD`", _on(*("if the cost is known",) * 2), "proposed", ("proposed",)),
    Attribute("gen_ai.usage.cost.source", "string", "`provider`, or `local` for list prices", _on(*("if the cost is known",) * 2),
              "proposed", ("proposed",)),
    Attribute("http.request.resend_count", "int", "retries inside the client", _on(*("if there were any",) * 3), "1.26"),
    Attribute("http.response.status_code", "int", "the last one", _ANY, "1.26"),
    Attribute("otel_llm.usage.estimated", "boolean", "`true` where somebody else than the provider counted", _ANY),
    Attribute("otel_llm.usage.pages", "int", "OCR", _ANY),
    Attribute("otel_llm.usage.search_units", "double", "rerank", _ANY),
    Attribute("otel_llm.cost.usd", "double", "absent where there is no price", _ANY),
    Attribute("otel_llm.switched_from", "string", "the model that was asked for, where a guard sent the call to another", _ANY),
    Attribute("otel_llm.cost.source", "string", "`provider` or `prices`", _ANY),
    Attribute("otel_llm.cost.complete", "boolean", "whether the cost is all of it", _ANY),
    Attribute("otel_llm.cost.missing", "string[]", "what was used and has no known price ([which](cost.md#what-is-priced))", _ANY),
    Attribute("otel_llm.fallback.from", "string", "the call served as a fallback", _ANY),
    Attribute("otel_llm.fallback.to", "string", "", _ANY),
    Attribute("otel_llm.cache.hit", "boolean", "a response cache answered (LiteLLM): a span, but no call of a provider", _ANY),
    Attribute("otel_llm.request.count", "int", "requests made inside, by calls that run tools by themselves", _ANY),
    Attribute("otel_llm.bedrock.operation", "string", "the operation of boto3's client", _ANY),
    # how it failed
    Attribute("error.type", "string", "one of the [same few words](metrics.md#labels) as on metrics", _on(*(_ERROR,) * 3), "1.26",
              stage="failure"),
    Attribute("exception.type", "string", "the class", _on(*("if an exception was raised",) * 3), "1.26", stage="failure"),
    Attribute("otel_llm.provider.error.code", "string", "the provider's own code, such as `insufficient_quota`", _ANY, stage="failure"),
    # content
    Attribute("gen_ai.system_instructions", "any", "", _on(OPT_IN), "1.37", stage="content"),
    Attribute("gen_ai.input.messages", "any", "", _on(OPT_IN), "1.37", stage="content"),
    Attribute("gen_ai.output.messages", "any", "", _on(OPT_IN), "1.37", stage="content"),
    Attribute("gen_ai.tool.definitions", "any", "the tools that the model was offered", _on(OPT_IN), "1.38", stage="content"),
)  # fmt: skip
TABLE: Mapping[str, Attribute] = MappingProxyType({row.name: row for row in _ATTRIBUTES})
TYPES: Mapping[str, Type] = MappingProxyType({row.name: row.other or row.type for row in _ATTRIBUTES})
"""The type in which the readers of client libraries give an attribute: that of the latest vocabulary."""

EMBEDDINGS, FETCH = "embeddings", "fetch_response"
"""Operations that are no inference."""


def kind_of(operation: str) -> str:
    """Which rows hold for a call: ``inference``, ``embeddings`` or ``fetch``."""
    return {EMBEDDINGS: "embeddings", FETCH: "fetch"}.get(operation, "inference")
