"""AutoGen, which traces its agents and tools: what tools are asked and answer, compared for repeats, and models of OpenAI's kind."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs
from otel_llm.core.model import Usage

from . import asked
from .asked import Answer
from .repeats import compare
from .streamed import follow_async

SOURCE = "autogen"
_CLIENT = "autogen_ext.models.openai._openai_client"


def _asked(_: Any, args: Args, kwargs: Kwargs) -> Any:
    return dict(kwargs.get("args", args[0] if args else None) or {})


def _answered(tool: Any, arguments: Any, result: Any, error: BaseException | None) -> None:
    compare(str(tool.name), arguments, str(result), error)


def _read(client: Any, result: Any) -> Answer:
    counts = getattr(result, "usage", None)
    usage = None if counts is None else Usage(counts.prompt_tokens, counts.completion_tokens)
    provider = "azure.ai.openai" if "Azure" in type(client).__name__ else "openai"
    model = client._create_args.get("model")  # noqa: SLF001 - there is no public name for it
    return Answer(provider, model, usage, getattr(result, "finish_reason", None))


framework = Framework(
    name="autogen",
    distribution="autogen-core",
    requires=">=0.7,<1",
    tested=("0.7.5",),
    hooks=(
        Around("autogen_core.tools._base", ("BaseTool.run_json",), _answered, _asked),
        asked.around(_CLIENT, ("BaseOpenAIChatCompletionClient.create",), SOURCE, _read),
        asked.streamed(_CLIENT, "BaseOpenAIChatCompletionClient.create_stream", SOURCE, _read, follow_async),
    ),
    scope="autogen-core",
)
