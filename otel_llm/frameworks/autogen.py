"""AutoGen, which traces its agents and tools: what tools are asked and answer, compared for repeats, and models of OpenAI's kind."""

from __future__ import annotations

import functools
from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs, Replace
from otel_llm.core.model import Usage

from . import asked
from .asked import Asked
from .repeats import compare
from .streamed import follow_async

SOURCE = "autogen"
_CLIENT = "autogen_ext.models.openai._openai_client"


def _asked(_: Any, args: Args, kwargs: Kwargs) -> Any:
    return dict(kwargs.get("args", args[0] if args else None) or {})


def _answered(tool: Any, arguments: Any, result: Any, error: BaseException | None) -> None:
    compare(str(tool.name), arguments, str(result), error)


def _asks(_: Any, __: Args, ___: Kwargs) -> Asked:
    return asked.begin(SOURCE)


def _answers(client: Any, call: Asked, result: Any, error: BaseException | None) -> None:
    counts = getattr(result, "usage", None)
    usage = None if counts is None else Usage(counts.prompt_tokens, counts.completion_tokens)
    provider = "azure.ai.openai" if "Azure" in type(client).__name__ else "openai"
    model = client._create_args.get("model")  # noqa: SLF001 - there is no public name for it
    asked.end(call, provider, model, usage, error, reason=getattr(result, "finish_reason", None))


def _streams(original: Any, _: Any) -> Any:
    @functools.wraps(original)
    def create_stream(client: Any, *args: Any, **kwargs: Any) -> Any:
        call = asked.begin(SOURCE, enter=False)
        ends = lambda _, last, error: _answers(client, call, last, error)  # noqa: E731 - its last item is the whole result
        return follow_async(original(client, *args, **kwargs), call.opened, ends)

    return create_stream


framework = Framework(
    name="autogen",
    distribution="autogen-core",
    requires=">=0.7,<1",
    tested=("0.7.5",),
    hooks=(
        Around("autogen_core.tools._base", ("BaseTool.run_json",), _answered, _asked),
        Around(_CLIENT, ("BaseOpenAIChatCompletionClient.create",), _answers, _asks),
        Replace(_CLIENT, "BaseOpenAIChatCompletionClient.create_stream", _streams),
    ),
    scope="autogen-core",
)
