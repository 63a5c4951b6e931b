"""Writer: chat and completions in OpenAI's shapes under paths of its own, and no-code applications."""

from __future__ import annotations

from otel_llm.calls.declarations import ClientLibrary

from ._openai_api import describer
from ._openai_shape import CHAT, NO_USAGE
from ._stainless import hooks

_ROUTES = {
    "chat": ("chat", CHAT, ""),
    "completions": ("text_completion", NO_USAGE, ""),
    "graphs/question": ("question", NO_USAGE, ""),
}

library = ClientLibrary(
    name="writer", distribution="writer-sdk", requires=">=2.0", tested=("2.0.0", "3.0.0"),
    operations=("chat", "text_completion", "question"),
    hooks=hooks("writerai", describer("writer", _ROUTES)),
)  # fmt: skip
