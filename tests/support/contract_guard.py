"""What every client library must be like under a guard: a refused call sends nothing and raises what was promised."""

from __future__ import annotations

import re
from typing import Any

import pytest
from contract_content import needs

import otel_llm
from otel_llm import BudgetExceededError


class GuardScenarios:
    """The scenarios of guards. ``kit`` is the subclass's, as in ``Contract``."""

    kit: Any

    @needs("make", "plain")
    def test_a_guard_refuses_before_anything_is_sent(self, bench: Any) -> None:
        from contract import with_client

        def use(client: Any) -> None:
            for ask in (self.kit.plain, self.kit.raw, self.whole(self.kit.stream)):
                if ask is not None:
                    with (
                        otel_llm.guard(budget=0.0, period="block"),
                        pytest.raises(BudgetExceededError, match="was not made") as refused,
                    ):
                        ask(client, self.kit.model)
                    assert type(refused.value) is BudgetExceededError
                    assert (refused.value.provider, refused.value.model) == (self.kit.provider, self.kit.model)

        with_client(self.kit, bench.server.url, use)
        self.check_nothing_was_sent(bench)

    @needs("make_async", "plain_async")
    async def test_a_guard_refuses_before_anything_is_sent_async(self, bench: Any) -> None:
        from contract import with_async_client

        async def use(client: Any) -> None:
            for ask in (self.kit.plain_async, self.kit.raw_async, self.whole_async(self.kit.stream_async)):
                if ask is not None:
                    with otel_llm.guard(budget=0.0, period="block"), pytest.raises(BudgetExceededError):
                        await ask(client, self.kit.model)

        await with_async_client(self.kit, bench.server.url, use)
        self.check_nothing_was_sent(bench)

    def check_nothing_was_sent(self, bench: Any) -> None:
        sent = [request.path for request in bench.server.requests if not re.search(self.kit.greets, request.path)]
        assert sent == []
        assert bench.captured.calls == []
        assert bench.captured.open == 0
        assert bench.captured.count("otel_llm_budget_decisions_total", "guard", "refused") >= 1

    @needs("make", "plain")
    def test_a_guard_sends_to_another_model(self, bench: Any) -> None:
        from contract import with_client

        def use(client: Any) -> None:
            with otel_llm.guard(
                budget=0.0,
                period="block",
                on_exceeded="switch",
                switch_to=f"{self.kit.prefix}{self.kit.model}-mini",
            ):
                self.kit.plain(client, self.kit.model)

        if not self.kit.switches:
            with pytest.raises(BudgetExceededError):
                with_client(self.kit, bench.server.url, use)
            self.check_nothing_was_sent(bench)
            return
        with_client(self.kit, bench.server.url, use)
        assert bench.captured.call.request_model == f"{self.kit.model}-mini"
        assert bench.span.attributes["otel_llm.switched_from"] == self.kit.model
        assert bench.captured.count("otel_llm_budget_decisions_total", "guard", "switched") == 1
        (request,) = bench.server.requests
        assert f"{self.kit.model}-mini" in f"{request.path} {request.body}"

    def whole(self, ask: Any) -> Any:
        raise NotImplementedError

    def whole_async(self, ask: Any) -> Any:
        raise NotImplementedError
