"""What a span costs the gateway, step by step, in one run: ``python -m benchmarks.gateway [--spans N] [--quick] [--json]``.

Each step is timed in processor time over the same spans, several times in changing order, and the smallest figure counts. The spans
are those of a service with the conventions (11 attributes), in batches of 512 as exporters send them, packed with gzip.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from otel_llm.aggregate import Store
from otel_llm.core.config import Config
from otel_llm.gateway import counting, dialects, protobuf
from otel_llm.gateway.batch import Batch, Naming
from otel_llm.gateway.body import unpack
from otel_llm.gateway.intake import Intake
from otel_llm.gateway.options import Options
from otel_llm.gateway.reading import read
from otel_llm.gateway.resolver import Resolver
from otel_llm.gateway.service import Gateway
from otel_llm.gateway.span import Call
from otel_llm.gateway.spanlog import SpanLog
from otel_llm.pricing import Prices

BATCH = 512
ROUNDS = 7
STEPS = ("unpack", "parse", "read", "keep", "resolve", "price", "apply")


def bodies(spans: int) -> Iterator[bytes]:
    """Requests of 512 spans, each one a call of a model inside a span of the application."""
    for _ in range(0, spans, BATCH):
        request = ExportTraceServiceRequest()
        outer = request.resource_spans.add()
        outer.resource.attributes.append(
            KeyValue(key="service.name", value=AnyValue(string_value=f"service-{random.randrange(20)}"))
        )
        inner = outer.scope_spans.add()
        inner.scope.name = "opentelemetry.instrumentation.openai_v2"
        for _ in range(BATCH):
            end = time.time_ns()
            span = inner.spans.add(
                trace_id=os.urandom(16), span_id=os.urandom(8), parent_span_id=os.urandom(8), name="chat gpt-4o", kind=3,
                start_time_unix_nano=end - random.randrange(10**9), end_time_unix_nano=end,
            )  # fmt: skip
            told: dict[str, Any] = {
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
                "gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.response.id": os.urandom(12).hex(),
                "server.address": "api.openai.com",
                "server.port": 443, "gen_ai.usage.input_tokens": random.randrange(4000),
                "gen_ai.usage.output_tokens": random.randrange(900),
                "gen_ai.request.temperature": 0.2, "gen_ai.usage.cache_read.input_tokens": 0,
            }  # fmt: skip
            for key, value in told.items():
                kind = (
                    "string_value"
                    if isinstance(value, str)
                    else "double_value"
                    if isinstance(value, float)
                    else "int_value"
                )
                span.attributes.append(KeyValue(key=key, value=AnyValue(**{kind: value})))
        yield gzip.compress(request.SerializeToString(), 1)


class Steps:
    """The way of a span, cut into steps that can be run one at a time."""

    def __init__(self, packed: list[bytes], folder: Path) -> None:
        self.config = Config(metric_labels=("service_name",), window_labels=("service_name",), state_dir=str(folder))
        self.naming, self.prices = Naming(), Prices(self.config)
        self.prices.load()
        self.folder, self.packed = folder, packed
        self.raw = [unpack(body, "gzip") for body in packed]
        self.parsed = [protobuf.traces(body, self.naming) for body in self.raw]
        self.calls = [call for batch in self.parsed for call in calls_of(batch)]
        self.records = [record for call in self.calls for record in counting.observations(call, self.prices)]

    def unpack(self) -> None:
        for body in self.packed:
            unpack(body, "gzip")

    def parse(self) -> None:
        for body in self.raw:
            protobuf.traces(body, self.naming)

    def read(self) -> None:
        for batch in self.parsed:
            calls_of(batch)

    def keep(self) -> None:
        log = SpanLog(Path(tempfile.mkdtemp(dir=self.folder)), 600.0)
        for at in range(0, len(self.calls), BATCH):
            log.received(self.calls[at : at + BATCH], ())
            log.decided([call.key for call in self.calls[at : at + BATCH]])
        log.close()

    def resolve(self) -> None:
        resolver = Resolver()
        for call in self.calls:
            resolver.take(call, 0.0)
        resolver.settled(100.0)

    def price(self) -> None:
        for call in self.calls:
            list(counting.observations(call, self.prices))

    def apply(self) -> None:
        store = Store(self.config)
        for record in self.records:
            store.apply(record)


def calls_of(batch: Batch) -> list[Call]:
    calls = []
    for resource, spans in batch.spans:
        for span in spans:
            dialect = dialects.recognise(span) if dialects.speaks(span) else None
            if dialect is not None and dialect.kind(span) == "inference":
                calls.append(read(span, dialect, resource))
    return calls


def best(rounds: int, steps: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The smallest processor time of each step, seconds."""
    found = dict.fromkeys(steps, 1e9)
    for _ in range(rounds):
        for name in random.sample(sorted(steps), len(steps)):
            began = time.process_time()
            steps[name]()
            found[name] = min(found[name], time.process_time() - began)
    return found


def whole(packed: list[bytes], folder: Path) -> float:
    """Processor time of a gateway that takes, settles and counts all of it, seconds."""
    gateway = Gateway(Config(state_dir=str(folder), server="off", port=0), Options(settle=0.0))
    gateway.start(ticking=False)
    intake = Intake(gateway)
    began = time.process_time()
    for body in packed:
        intake.take("traces", unpack(body, "gzip"), is_json=False)
    gateway.settle()
    gateway.member.stats()
    took = time.process_time() - began
    gateway.stop()
    return took


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--spans", type=int, default=10_240)
    arguments.add_argument("--profile", action="store_true")
    arguments.add_argument("--quick", action="store_true", help="fewer spans")
    arguments.add_argument("--json", action="store_true", help="print the figures only")
    chosen = arguments.parse_args()
    packed = list(bodies(chosen.spans // 4 if chosen.quick else chosen.spans))
    count = len(packed) * BATCH
    with tempfile.TemporaryDirectory() as folder:
        steps = Steps(packed, Path(folder))
        took = best(ROUNDS, {name: getattr(steps, name) for name in STEPS})
        together = min(whole(packed, Path(folder, f"whole-{number}")) for number in range(3))
    micro = {name: 1e6 * seconds / count for name, seconds in took.items()}
    if chosen.json:
        print(json.dumps({"span_us": 1e6 * together / count, **micro}))
        return
    ratios = {name: round(micro[name] / micro["apply"], 2) for name in STEPS}
    print(f"{count} spans of {sum(map(len, steps.raw)) / count:.0f} bytes; microseconds of processor time a span:")
    print("  " + ", ".join(f"{name} {micro[name]:.1f}" for name in STEPS) + f"; sum {sum(micro.values()):.1f}")
    print(f"  ratios to apply: {json.dumps(ratios)}")
    print(
        f"a whole gateway, counted and asked: {1e6 * together / count:.1f} a span, {count / together:,.0f} spans a second and core"
    )


if __name__ == "__main__":
    main()
