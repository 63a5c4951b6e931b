"""Together: OpenAI's API, and reranking."""

from __future__ import annotations

from otel_llm.calls.declarations import HELLO, ClientLibrary, Trial

from ._openai_api import describer
from ._openai_routes import ROUTES
from ._openai_shape import EMBEDDINGS
from ._stainless import hooks

library = ClientLibrary(
    name="together", distribution="together", requires=">=2.0", tested=("2.0.0", "3.1.1"),
    operations=(
        "chat",
        "text_completion",
        "embeddings",
        "image_generation",
        "rerank",
        "transcription",
        "translation",
        "speech",
    ),
    hooks=hooks("together", describer("together", {**ROUTES, "rerank": ("rerank", EMBEDDINGS, "")})),
    trial=Trial(
        "together",
        lambda together, url: together.Together(base_url=f"{url}/together/v1", api_key="doctor", max_retries=0).chat.completions.create(
            model="doctor", messages=HELLO
        ),
    ),
)  # fmt: skip
