"""Hugging Face's transformers: its text generation pipeline, in this process."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, ClientLibrary, Kwargs, Patch, SubRequest
from otel_llm.core.model import Reader, Request, Response, Usage

from ._openai_content import asked
from ._openai_shape import PARAMETERS
from ._read import attr, count, items, parameters, text

_MODULE = "transformers.pipelines.text_generation"
_PARAMETERS = {
    "temperature": PARAMETERS["temperature"],
    "top_p": PARAMETERS["top_p"],
    "top_k": PARAMETERS["top_k"],
    "max_new_tokens": PARAMETERS["max_tokens"],
    "num_return_sequences": PARAMETERS["n"],
}


def read_answers(answers: Any, into: Response) -> None:
    """What the pipeline returns: texts without tokens. ``read_forward`` has counted those."""
    if into.content is None:
        return
    for answer in items(answers):
        for one in items(answer) or [answer]:
            content = attr(one, "generated_text")
            if isinstance(content, list):  # a chat comes back with the answer at its end
                content = attr(content[-1], "content") if content else None
            part = {"type": "text", "content": text(content) or ""}
            into.content.append({"role": "assistant", "parts": [part], "finish_reason": ""})


def _size(tensor: Any) -> tuple[int, ...]:
    """The shape of a tensor; empty for anything else."""
    shape = getattr(tensor, "shape", None)
    sizes = [count(size) for size in shape] if isinstance(shape, tuple) else []
    return tuple(size for size in sizes if size is not None)


def read_forward(result: Any, into: Response) -> None:
    """One run of the model: a prompt's ids, and the sequences that begin with them and go on with the answer.

    ``generated_sequence`` has the shape (prompts, answers of each, tokens). Several in one tensor are filled up to the same
    length, and nothing there says by how much, so only what one prompt and one answer are made of is counted.
    """
    given, generated = attr(result, "input_ids"), _size(attr(result, "generated_sequence"))
    prompt = (1, 0) if given is None else _size(given)
    if into.requests > 1 and into.earlier is None:
        return  # one before was not counted: a part of the sum would pass for the whole
    if generated[:2] != (1, 1) or len(generated) != 3 or len(prompt) != 2:  # noqa: PLR2004 - the shapes above
        into.usage = None
        return
    used = Usage(prompt[1], max(0, generated[2] - prompt[1]))
    into.usage = used if into.earlier is None else into.earlier.plus(used)


GENERATION = Reader(read_answers, lambda *_: True)


def _read(pipeline: Any, args: Args, kwargs: Kwargs) -> Request:
    given = args[0] if args else kwargs.get("text_inputs")
    first = given[0] if isinstance(given, (list, tuple)) and given else None
    chat = isinstance(first, (dict, list, tuple))
    return Request(
        "transformers", "chat" if chat else "text_completion", text(attr(pipeline, "model", "name_or_path")), GENERATION,
        attributes=parameters(kwargs, _PARAMETERS), content=lambda: asked({"messages" if chat else "prompt": given}),
    )  # fmt: skip


library = ClientLibrary(
    name="transformers", distribution="transformers", requires=">=4.40", tested=("5.24.0",),
    operations=("text_completion", "chat"),
    hooks=(
        Patch(_MODULE, ("TextGenerationPipeline.__call__",), _read, covers=("transformers",)),
        SubRequest(_MODULE, ("TextGenerationPipeline._forward",), GENERATION, read_forward),
    ),
    notes="`make engines` runs it on torch with a model made on the spot. A list of prompts is one call. Tokens are unknown where "
    "prompts are batched, or a prompt has several answers. model.generate() is not watched. No server address.",
)  # fmt: skip
