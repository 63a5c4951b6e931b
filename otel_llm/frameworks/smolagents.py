"""smolagents, which has no hooks: around the methods that run an agent, that call a tool, and that ask a model."""

from __future__ import annotations

import functools
from typing import Any

from otel_llm.calls.declarations import Args, Around, Framework, Kwargs, Replace
from otel_llm.calls.reporting import Reporting
from otel_llm.core.model import Usage

from . import asked, steps
from .asked import Answer
from .steps import Open
from .streamed import follow

SOURCE = "smolagents"
_PROVIDERS = {"OpenAIModel": "openai", "AzureOpenAIModel": "azure.ai.openai", "AmazonBedrockModel": "aws.bedrock"}
_STREAMING = ("OpenAIModel", "LiteLLMModel", "InferenceClientModel", "TransformersModel")


def _run(original: Any, _: Any) -> Any:
    @functools.wraps(original)
    def run(agent: Any, task: Any, stream: bool = False, *args: Any, **kwargs: Any) -> Any:
        name = str(getattr(agent, "name", None) or type(agent).__name__)
        if stream:  # a generator, which runs when it is read
            return follow(
                original(agent, task, stream, *args, **kwargs), steps.begin("agent", name, SOURCE, enter=False)
            )
        opened = steps.begin("agent", name, SOURCE)
        with Reporting(opened.end):
            answer = original(agent, task, stream, *args, **kwargs)
        opened.end()
        return answer

    return run


def _read(model: Any, message: Any) -> Answer:
    counts = getattr(message, "token_usage", None)
    usage = None if counts is None else Usage(counts.input_tokens, counts.output_tokens)
    return Answer(_PROVIDERS.get(type(model).__name__), getattr(model, "model_id", None), usage)


def _calls(_: Any, args: Args, kwargs: Kwargs) -> tuple[Open, Any] | None:
    name = str(kwargs.get("tool_name", args[0] if args else ""))
    if name == "final_answer":
        return None  # the way in which an agent answers, and no tool
    arguments = kwargs.get("arguments", args[1] if len(args) > 1 else None)
    return steps.begin("tool", name, SOURCE), arguments


def _called(_: Any, call: tuple[Open, Any] | None, result: Any, error: BaseException | None) -> None:
    if call is not None:
        call[0].end(error, tool_type="function", arguments=call[1], result=result)


framework = Framework(
    name="smolagents",
    distribution="smolagents",
    requires=">=1.20,<2",
    tested=("1.26.0",),
    hooks=(
        Replace("smolagents.agents", "MultiStepAgent.run", _run),
        Around("smolagents.agents", ("ToolCallingAgent.execute_tool_call",), _called, _calls),
        asked.around("smolagents.models", ("Model.generate",), SOURCE, _read, heirs=True),
        *(
            asked.streamed("smolagents.models", f"{model}.generate_stream", SOURCE, _read, follow)
            for model in _STREAMING
        ),
    ),
    notes="Tools that a CodeAgent calls from its code are not seen as such.",
)
