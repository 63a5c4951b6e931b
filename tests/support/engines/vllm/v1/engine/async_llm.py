"""A stand-in for vLLM's ``AsyncLLM``: three outputs for each answer, told as the parameters' ``output_kind`` asks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from vllm.outputs import CompletionOutput, ModelConfig, RequestOutput, RequestOutputKind


class AsyncLLM:
    def __init__(self) -> None:
        self.model_config = ModelConfig("small/instruct")

    async def generate(self, prompt: str, sampling_params: Any, request_id: str) -> AsyncGenerator[RequestOutput, None]:
        ids = list(range(len(prompt.split())))
        for step in (1, 2, 3):
            for index in range(sampling_params.n):
                told = [step] if sampling_params.output_kind is RequestOutputKind.DELTA else list(range(step))
                answer = CompletionOutput(index, "x", told, "length" if step == 3 else None)
                yield RequestOutput(ids, [answer], step == 3 and index == sampling_params.n - 1, 2)
