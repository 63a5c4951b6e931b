"""google-genai: Gemini on its own API and on Vertex AI, content, chats, embeddings, images, videos and interactions.

The public methods may send many requests, running the caller's functions in between or continuing an answer that was cut: they
are one operation, whose requests are counted and whose tokens are added up.
"""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Attempt, ClientLibrary, Hook, HostCallback, Patch, SubRequest, Trial, keyword
from otel_llm.core.model import Reader

from ._google_answer import read_chunk, read_content, read_part
from ._google_batches import hooks as batch_hooks
from ._google_interactions import INTERACTION_HOOKS
from ._google_live import hooks as live_hooks
from ._google_request import chatting, reading
from ._google_usage import read_embedding_usage

CONTENT = Reader(read_content, read_chunk, terminal=True)
EMBEDDINGS = Reader(read_embedding_usage)
NO_USAGE = Reader(lambda _, __: None, usage=False)


def _patch(method: str, operation: str, reader: Reader, *, stream: bool = False) -> Patch:
    read = reading(operation, reader, stream=stream)
    targets = f"Models.{method}", f"AsyncModels.{method}"
    return Patch(_MODELS, targets, read, lazy=stream, covers=("google_genai",), switch=keyword)


def _chat(method: str, *, stream: bool) -> Patch:
    read = chatting(CONTENT, stream=stream)
    return Patch(_CHATS, (f"Chat.{method}", f"AsyncChat.{method}"), read, lazy=stream, covers=("google_genai",))


_MODELS, _CHATS, _CLIENT = "google.genai.models", "google.genai.chats", "google.genai._api_client"
_TOOLS = "google.genai._extra_utils"
_IMAGES = ("generate_images", "edit_image", "upscale_image", "recontext_image", "segment_image")
_OTHERS = {
    "generate_videos": "video_generation",
    "count_tokens": "count_tokens",
    **dict.fromkeys(_IMAGES, "image_generation"),
}
HOOKS: tuple[Hook, ...] = (
    _patch("generate_content", "generate_content", CONTENT),
    _patch("generate_content_stream", "generate_content", CONTENT, stream=True),
    _patch("embed_content", "embeddings", EMBEDDINGS),
    *(_patch(method, operation, NO_USAGE) for method, operation in _OTHERS.items()),
    _chat("send_message", stream=False),
    _chat("send_message_stream", stream=True),
    SubRequest(_MODELS, ("Models._generate_content", "AsyncModels._generate_content"), CONTENT, read_part),
    HostCallback(_TOOLS, ("invoke_function_from_dict_args", "invoke_function_from_dict_args_async")),
    Attempt(_CLIENT, ("BaseApiClient._request_once", "BaseApiClient._async_request_once")),
    *batch_hooks(CONTENT, EMBEDDINGS),
    *INTERACTION_HOOKS,
    *live_hooks(),
)  # fmt: skip


def _generate(genai: Any, url: str) -> object:
    client = genai.Client(api_key="doctor", http_options={"base_url": url})  # which closes when it is dropped
    return client.models.generate_content(model="doctor", contents="Hello")


library = ClientLibrary(
    name="google_genai",
    distribution="google-genai",
    requires=">=1.24",
    tested=("1.24.0", "1.75.0", "2.34.0", "3.4.0"),
    operations=(
        "generate_content",
        "chat",
        "embeddings",
        "image_generation",
        "video_generation",
        "count_tokens",
        "invoke_agent",
    ),
    hooks=HOOKS,
    notes=(
        "Functions that the library calls by itself and answers that it continues are one operation; before 2.18 it hides the streams "
        "that it answers with functions, and their tokens with them. Each turn of a Live session is a call; music is not watched. "
        "An interaction in the background is one call until its end is polled here. Results of batches count as `batch`."
    ),
    trial=Trial(
        "google.genai",
        _generate,
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]},
    ),
)
