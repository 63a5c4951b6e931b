"""The anthropic client under the contract."""

from __future__ import annotations

import inspect
from typing import Any

import anthropic
from contract import Contract, Kit
from contract_content import INSTRUCTION

MESSAGES: Any = [{"role": "user", "content": "hi"}]


def _asked(model: str) -> dict[str, Any]:
    return {"model": model, "max_tokens": 50, "messages": MESSAGES}


async def _raw(client: anthropic.AsyncAnthropic, model: str) -> Any:
    parsed: Any = (await client.messages.with_raw_response.create(**_asked(model))).parse()
    return await parsed if inspect.isawaitable(parsed) else parsed


class TestAnthropic(Contract):
    kit = Kit(
        library="anthropic",
        provider="anthropic",
        model="claude-x",
        make=lambda url: anthropic.Anthropic(base_url=url, api_key="test-key"),
        make_async=lambda url: anthropic.AsyncAnthropic(base_url=url, api_key="test-key"),
        plain=lambda client, model: client.messages.create(**_asked(model)),
        plain_async=lambda client, model: client.messages.create(**_asked(model)),
        stream=lambda client, model: client.messages.create(**_asked(model), stream=True),
        stream_async=lambda client, model: client.messages.create(**_asked(model), stream=True),
        manager=lambda client, model: client.messages.stream(**_asked(model)),
        manager_async=lambda client, model: client.messages.stream(**_asked(model)),
        raw=lambda client, model: client.messages.with_raw_response.create(**_asked(model)).parse(),
        raw_async=_raw,
        instructed=lambda client, model: client.messages.create(**_asked(model), system=INSTRUCTION),
    )

    def may_miss(self) -> set[str]:
        version = tuple(map(int, anthropic.__version__.split(".")[:2]))
        retries = [f"{kind}APIClient._sleep_for_retry" for kind in ("Sync", "Async")] if version < (0, 41) else []
        tracing = ["BaseClient._tracer"] if version < (1, 14) else []
        return {f"anthropic._base_client:{name}" for name in (*retries, *tracing)}
