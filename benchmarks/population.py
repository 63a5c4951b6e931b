"""What one more record costs when many are in the window already, in drains of a thousand."""

from __future__ import annotations

import time
from dataclasses import dataclass

from otel_llm.aggregate import Store, encode
from otel_llm.aggregate.kinds import grouped
from otel_llm.core.config import Config
from otel_llm.core.model import Observation

AT = 1_795_262_400.0


@dataclass
class Cost:
    """Microseconds for one record: on the caller's path, and in the leader."""

    records: int
    caller_us: float
    leader_us: float


def call(number: int) -> Observation:
    model = f"model-{number % 20}"
    return Observation(
        AT + number / 1000, "openai", model, "chat", model, "api.example", "", 0.3 + number % 97 / 100, input_tokens=812,
        output_tokens=number % 400, cost=0.002, cost_source="prices", finish_reasons=("stop",), trace_id="a" * 32, span_id="b" * 16,
    )  # fmt: skip


def measure(populations: tuple[int, ...]) -> list[dict[str, float]]:
    """Costs at each number of records, in one store that goes on growing."""
    store, held = Store(Config()), 0
    found = []
    for wanted in populations:
        while held < wanted - 1000:
            store.apply_all(grouped((encode(call(held + number)), 0, None) for number in range(1000)), AT, [])
            held += 1000
        records = [call(held + number) for number in range(1000)]
        began = time.process_time()
        payloads = [encode(record) for record in records]
        encoded = time.process_time()
        store.apply_all(grouped((payload, 0, None) for payload in payloads), AT, [])
        applied = time.process_time()
        held += 1000
        found.append(vars(Cost(wanted, (encoded - began) * 1e3, (applied - encoded) * 1e3)))
    return found
