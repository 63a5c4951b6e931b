"""Writer: chat and completions in OpenAI's shapes under paths of its own, and no-code applications."""

from __future__ import annotations

from otel_llm.calls.declarations import HELLO, ClientLibrary, Trial

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
    trial=Trial(
        "writerai",
        lambda writerai, url: writerai.Writer(base_url=url, api_key="doctor", max_retries=0).chat.chat(model="doctor", messages=HELLO),
        {"id": "1", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}]},
    ),
)  # fmt: skip
