"""Cerebras: OpenAI's chat and completions."""

from __future__ import annotations

from otel_llm.calls.declarations import HELLO, ClientLibrary, Trial

from ._openai_api import describer
from ._stainless import hooks

library = ClientLibrary(
    name="cerebras", distribution="cerebras-cloud-sdk", requires=">=1.0", tested=("1.0.0", "1.91.0"),
    operations=("chat", "text_completion"),
    hooks=hooks("cerebras.cloud.sdk", describer("cerebras")),
    trial=Trial(
        "cerebras.cloud.sdk",
        lambda sdk, url: sdk.Cerebras(
            base_url=url, api_key="doctor", max_retries=0, warm_tcp_connection=False
        ).chat.completions.create(model="doctor", messages=HELLO),
    ),
)  # fmt: skip
