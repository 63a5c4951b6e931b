"""What processes do that leave without a push: a call, and an end that Python does not notice."""

from __future__ import annotations

import os
import signal
from functools import cache

import openai

import otel_llm


@cache
def _client() -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{os.environ['LLM_URL']}/v1", api_key="test-key", max_retries=0)


def call() -> None:
    _client().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])


def leave() -> None:
    """As a job that ends its process itself."""
    call()
    os._exit(0)


def push_and_leave() -> None:
    """One call is pushed from here, one is not."""
    call()
    assert otel_llm.flush(timeout=60)
    leave()


def die() -> None:
    """As one that the kernel kills for its memory."""
    call()
    os.kill(os.getpid(), signal.SIGKILL)
