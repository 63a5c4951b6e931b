"""Groq: OpenAI's API under /openai/v1, with a stream's usage under ``x_groq``."""

from __future__ import annotations

from otel_llm.calls.declarations import HELLO, ClientLibrary, Trial

from ._openai_api import describer
from ._openai_dialects import GROQ
from ._openai_routes import ROUTES
from ._stainless import hooks

_ROUTES = {**ROUTES, "chat/completions": ("chat", GROQ, "")}

library = ClientLibrary(
    name="groq", distribution="groq", requires=">=0.11", tested=("0.11.0", "0.37.1", "1.7.0"),
    operations=("chat", "embeddings", "transcription", "translation", "speech"),
    hooks=hooks("groq", describer("groq", _ROUTES)),
    trial=Trial(
        "groq",
        lambda groq, url: groq.Groq(base_url=url, api_key="doctor", max_retries=0).chat.completions.create(
            model="doctor", messages=HELLO
        ),
    ),
)  # fmt: skip
