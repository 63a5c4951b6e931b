"""Stand-ins of what vLLM's engines return."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


class RequestOutputKind(enum.Enum):
    CUMULATIVE = 0
    DELTA = 1
    FINAL_ONLY = 2


@dataclass
class SamplingParams:
    temperature: float = 1.0
    max_tokens: int = 16
    n: int = 1
    output_kind: RequestOutputKind = RequestOutputKind.CUMULATIVE


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    finish_reason: str | None = None


@dataclass
class RequestOutput:
    prompt_token_ids: list[int] | None
    outputs: Any
    finished: bool = True
    num_cached_tokens: int | None = None


@dataclass
class ModelConfig:
    model: str


@dataclass
class Engine:
    model_config: ModelConfig = field(default_factory=lambda: ModelConfig("small/instruct"))
