"""A stand-in for vLLM's ``LLM``: a prompt has a token for each word, an answer three."""

from __future__ import annotations

from typing import Any

from vllm.outputs import CompletionOutput, Engine, RequestOutput, SamplingParams


class LLM:
    def __init__(self) -> None:
        self.llm_engine = Engine()

    def generate(self, prompts: Any, sampling_params: Any = None, *, use_tqdm: bool = True) -> list[RequestOutput]:
        sampling = sampling_params or SamplingParams()
        return [self._answered(prompt, sampling.n) for prompt in ([prompts] if isinstance(prompts, str) else prompts)]

    def _answered(self, prompt: str, n: int) -> RequestOutput:
        if not prompt:
            raise ValueError("The decoder prompt cannot be empty")
        answers = [CompletionOutput(index, "Hello from here", [1, 2, 3], "stop") for index in range(n)]
        return RequestOutput(list(range(len(prompt.split()))), answers, num_cached_tokens=1)

    def chat(self, messages: Any, sampling_params: Any = None) -> list[RequestOutput]:
        return self.generate(messages[0]["content"], sampling_params)

    def embed(self, prompts: Any) -> list[RequestOutput]:
        return [RequestOutput(list(range(len(prompt.split()))), object()) for prompt in prompts]
