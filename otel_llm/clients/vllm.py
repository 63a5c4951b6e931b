"""vLLM as a library: batches of its ``LLM``, and the streams of its ``AsyncLLM``, which its own server reads as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from otel_llm.calls.declarations import Args, ClientLibrary, Kwargs, Patch
from otel_llm.core.model import Reader, Request, Response, Usage

from ._openai_content import asked
from ._openai_shape import PARAMETERS
from ._read import attr, count, items, parameters, text

_SAMPLING = ("temperature", "top_p", "max_tokens", "n", "seed", "frequency_penalty", "presence_penalty")


def _length(ids: Any) -> int | None:
    """How many token ids there are; None for what is not a sequence of them."""
    return len(ids) if isinstance(ids, Sequence) and not isinstance(ids, (str, bytes)) else None


def _read_prompt(output: Any) -> Usage:
    """The prompt's tokens, and how many of them the prefix cache had (``num_cached_tokens``)."""
    return Usage(_length(attr(output, "prompt_token_ids")), cache_read_tokens=count(attr(output, "num_cached_tokens")))


def read_batch(outputs: Any, into: Response) -> None:
    """The outputs of a batch, one for each prompt with one answer or several: together they are the call's."""
    for output in items(outputs):
        used = _read_prompt(output)
        for answer in items(attr(output, "outputs")):
            used.output_tokens = (used.output_tokens or 0) + (_length(attr(answer, "token_ids")) or 0)
            reason = text(attr(answer, "finish_reason"))
            into.finish_reasons += [reason] if reason is not None else []
            if into.content is not None:
                part = {"type": "text", "content": text(attr(answer, "text")) or ""}
                into.content.append({"role": "assistant", "parts": [part], "finish_reason": reason or ""})
        into.usage = used if into.usage is None else into.usage.plus(used)


class _Answers:
    """The answers of one stream, by index: each output has some of them, all of their tokens or the new ones."""

    __slots__ = ("_deltas", "_lengths")

    def __init__(self, *, deltas: bool) -> None:
        self._deltas = deltas
        self._lengths: dict[Any, int] = {}

    def read(self, output: Any, into: Response) -> bool:
        """One output of the stream."""
        before = self._total()
        for answer in items(attr(output, "outputs")):
            index, length = count(attr(answer, "index")) or 0, _length(attr(answer, "token_ids")) or 0
            self._lengths[index] = length + (self._lengths.get(index, 0) if self._deltas else 0)
            if (reason := text(attr(answer, "finish_reason"))) is not None:
                into.finish_reasons.append(reason)
        used, before_it = _read_prompt(output), into.usage or Usage()
        if used.input_tokens is None:
            used.input_tokens = before_it.input_tokens
        if used.cache_read_tokens is None:
            used.cache_read_tokens = before_it.cache_read_tokens
        used.output_tokens = self._total()
        into.usage, into.done = used, attr(output, "finished") is True
        return used.output_tokens > before

    def _total(self) -> int:
        return sum(self._lengths.values())


BATCH = Reader(read_batch)


def _request(engine: Any, operation: str, reader: Reader, sampling: Any, question: dict[str, Any]) -> Request:
    model = text(attr(engine, "model_config", "model")) or text(attr(engine, "llm_engine", "model_config", "model"))
    chosen = {name: getattr(sampling, name, None) for name in _SAMPLING}
    return Request(
        "vllm", operation, model, reader, attributes=parameters(chosen, PARAMETERS), content=lambda: asked(question)
    )


def _reading(operation: str, first: str, under: str) -> Callable[[Any, Args, Kwargs], Request]:
    """``first`` is the name of the first argument; its content has the name ``under``."""

    def read(llm: Any, args: Args, kwargs: Kwargs) -> Request:
        sampling = kwargs.get("sampling_params", args[1] if len(args) > 1 else None)
        return _request(llm, operation, BATCH, sampling, {under: args[0] if args else kwargs.get(first)})

    return read


def _read_stream(engine: Any, args: Args, kwargs: Kwargs) -> Request:
    """The parameters' ``output_kind`` says whether an output repeats the ones before or goes on from them."""
    sampling = kwargs.get("sampling_params", args[1] if len(args) > 1 else None)
    answers = _Answers(deltas=attr(sampling, "output_kind", "name") == "DELTA")
    question = {"prompt": args[0] if args else kwargs.get("prompt")}
    request = _request(engine, "text_completion", Reader(read_batch, answers.read), sampling, question)
    request.stream = True
    return request


def _patch(method: str, read: Callable[[Any, Args, Kwargs], Request]) -> Patch:
    return Patch("vllm.entrypoints.llm", (f"LLM.{method}",), read, covers=("vllm",))  # a chat generates inside


library = ClientLibrary(
    name="vllm", distribution="vllm", requires=">=0.10", tested=("0.33.0",),
    operations=("text_completion", "chat", "embeddings"),
    hooks=(
        _patch("generate", _reading("text_completion", "prompts", "prompt")),
        _patch("chat", _reading("chat", "messages", "messages")),
        _patch("embed", _reading("embeddings", "prompts", "input")),
        Patch("vllm.v1.engine.async_llm", ("AsyncLLM.generate",), _read_stream, lazy=True),
    ),
    notes="`make engines` imports its own classes from the wheel and drives them; what computes below them needs an accelerator, and "
    "is a table there. Wheels built for processors need a build of torch (`+cpu`) that is not published beside them. A batch is one "
    "call; `enqueue` and `AsyncLLM.encode` are not watched. The text of AsyncLLM's streams is not captured. No server address.",
)  # fmt: skip
