"""Hugging Face's inference clients: chat, text generation, embeddings, images and audio, whoever serves the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_llm.calls.declarations import HELLO, Args, ClientLibrary, Kwargs, Patch, Trial, keyword
from otel_llm.core.model import Reader, Request, Response, Usage

from . import _hosts
from ._openai_content import asked, keep_text
from ._openai_shape import CHAT, NO_USAGE, PARAMETERS
from ._read import attr, count, items, parameters, text

_ROUTER = "https://router.huggingface.co"
_PARAMETERS = {**PARAMETERS, "max_new_tokens": "gen_ai.request.max_tokens", "stop_sequences": PARAMETERS["stop"]}


def read_details(reply: Any, into: Response) -> None:
    """A text, or with ``details=True`` the tokens it took: those of the prompt only where ``decoder_input_details`` asks."""
    details = attr(reply, "details") if not isinstance(reply, str) else None
    if details is None:
        return
    prompt = count(attr(details, "input_length"))
    into.usage = Usage(prompt or len(items(attr(details, "prefill"))) or None, count(attr(details, "generated_tokens")))
    if (reason := text(attr(details, "finish_reason"))) is not None:
        into.finish_reasons.append(reason)
    into.done = True


def read_generation(reply: Any, into: Response) -> None:
    """A whole answer."""
    read_details(reply, into)
    if into.content is not None:
        keep_text(into.content, reply if isinstance(reply, str) else attr(reply, "generated_text"))


def read_token(part: Any, into: Response) -> bool:
    """A piece of text, or with ``details=True`` a token; the last one has the details."""
    read_details(part, into)
    if into.content is not None:
        keep_text(into.content, part if isinstance(part, str) else attr(part, "token", "text"))
    return True


GENERATION = Reader(read_generation, read_token)


def _reading(operation: str, reader: Reader) -> Callable[[Any, Args, Kwargs], Request]:
    def read(client: Any, args: Args, kwargs: Kwargs) -> Request:
        model = text(kwargs.get("model")) or text(client.model)
        places = (place for place in (text(client.model), model) if place is not None and place.startswith("http"))
        name, host, port = _hosts.behind_text(next(places, _ROUTER), "huggingface")
        given = (
            kwargs
            if "messages" in kwargs or not args
            else {"messages" if operation == "chat" else "prompt": args[0], **kwargs}
        )
        return Request(
            name, operation, model, reader, host, port, bool(kwargs.get("stream")), parameters(kwargs, _PARAMETERS),
            content=lambda: asked(given),
        )  # fmt: skip

    return read


METHODS: dict[str, tuple[str, Reader]] = {
    "chat_completion": ("chat", CHAT),
    "text_generation": ("text_completion", GENERATION),
    "feature_extraction": ("embeddings", NO_USAGE),
    "text_to_image": ("image_generation", NO_USAGE),
    "image_to_image": ("image_generation", NO_USAGE),
    "automatic_speech_recognition": ("transcription", NO_USAGE),
    "text_to_speech": ("speech", NO_USAGE),
}


def _patches(module: str, client: str) -> tuple[Patch, ...]:
    return tuple(
        # one falls back to itself
        Patch(module, (f"{client}.{method}",), _reading(*operation), covers=("huggingface",), switch=keyword)
        for method, operation in METHODS.items()
    )


library = ClientLibrary(
    name="huggingface", distribution="huggingface_hub", requires=">=0.34", tested=("0.34.0", "2.4.0"),
    operations=("chat", "text_completion", "embeddings", "image_generation", "transcription", "speech"),
    hooks=(
        *_patches("huggingface_hub.inference._client", "InferenceClient"),
        *_patches("huggingface_hub.inference._generated._async_client", "AsyncInferenceClient"),
    ),
    notes="Token counts of text_generation need details=True; embeddings, images and audio report none.",
    trial=Trial(
        "huggingface_hub",
        lambda hub, url: hub.InferenceClient(base_url=f"{url}/huggingface/v1", api_key="doctor").chat_completion(HELLO, model="doctor"),
    ),
)  # fmt: skip
