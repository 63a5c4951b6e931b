"""A stand-in for llama-cpp-python: the methods, the dictionaries and the generators that its users see."""

from __future__ import annotations

from typing import Any

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
PIECES = ("Hello", " from", " here")


class Llama:
    def __init__(self, model_path: str) -> None:
        self.model_path = model_path

    def create_completion(self, prompt: Any, suffix: Any = None, *, stream: bool = False, **given: Any) -> Any:
        head = {"id": "cmpl-1", "model": given.get("model") or self.model_path}
        if prompt == "too long":
            raise ValueError("Requested tokens exceed context window")
        if stream:
            return self._pieces(head)
        return {**head, "choices": [{"text": "".join(PIECES), "finish_reason": "stop"}], "usage": USAGE}

    def _pieces(self, head: dict[str, Any]) -> Any:
        for piece in PIECES:
            yield {**head, "choices": [{"text": piece, "index": 0, "finish_reason": None}]}
        yield {**head, "choices": [{"text": "", "index": 0, "finish_reason": "length"}]}

    def __call__(self, prompt: Any, **given: Any) -> Any:
        return self.create_completion(prompt, **given)

    def create_chat_completion(self, messages: Any, *, stream: bool = False, **given: Any) -> Any:
        found = self.create_completion(messages[0]["content"], stream=stream, **given)
        return self._deltas(found) if stream else {**found, "choices": [self._spoken(found["choices"][0])]}

    def _spoken(self, choice: Any) -> Any:
        return {
            "message": {"role": "assistant", "content": choice["text"]},
            "finish_reason": choice["finish_reason"],
        }

    def _deltas(self, chunks: Any) -> Any:
        for chunk in chunks:
            choice = chunk["choices"][0]
            said = {"delta": {"content": choice["text"]}, "index": 0, "finish_reason": choice["finish_reason"]}
            yield {**chunk, "choices": [said]}

    def create_embedding(self, input: Any, model: Any = None) -> Any:
        return {
            "data": [{"embedding": [0.5]}],
            "model": model or self.model_path,
            "usage": {**USAGE, "completion_tokens": None},
        }
