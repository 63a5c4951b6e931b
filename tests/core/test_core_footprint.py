"""What a process holds of ours: a worker that only follows has nothing of what a leader needs, and each has its bound in bytes."""

from __future__ import annotations

import json
import sys
from typing import Any

FOLLOWER, SCRAPED, LEADER = 4_250_000, 4_300_000, 6_600_000
"""Bytes that a process holds beyond opentelemetry-sdk, prometheus_client and the client library after ``instrument()`` (a follower)
and after a scrape (both): 4.1 and 4.1, and 6.4 million on Python 3.11 when this was written. Other versions of Python have
other objects. Goals are 5 million for a follower, and 8 for a leader."""
ELSEWHERE = 1.3

WATCHED = """
import gc, json, sys, tracemalloc
import openai, opentelemetry.sdk.trace.export, opentelemetry._logs, opentelemetry.baggage, opentelemetry.metrics
import http.server, prometheus_client.openmetrics.parser, prometheus_client.openmetrics.exposition, wrapt
prometheus_client.generate_latest()
tracemalloc.start()

def held():
    gc.collect()
    ours = sorted(name for name in sys.modules if name.startswith("otel_llm."))
    return [tracemalloc.get_traced_memory()[0], ours]

import otel_llm
otel_llm.instrument("openai")
from otel_llm import runtime
begun = held()
prometheus_client.generate_latest()
print(json.dumps([runtime.current().member.role, begun, held()]), flush=True)
sys.stdin.read()
"""
OF_A_LEADER = {
    "aggregate.store", "aggregate.judgement", "aggregate.window.engine", "cluster.aggregator", "cluster.consumer", "cluster.election",
    "cluster.spendkeeper", "core.conditions", "core.objectives", "outputs.instruments", "aggregate.status",
}  # fmt: skip


def test_a_worker_that_follows_holds_nothing_of_what_a_leader_needs(start: Any) -> None:
    reports = []
    workers = []
    for _ in range(2):
        worker = start(WATCHED, bare=True)
        workers.append(worker)
        reports.append(json.loads(worker.stdout.readline()))
    for worker in workers:
        worker.communicate(timeout=60)
    (first, _, (leaders, of_leader)), (second, (followers, of_follower), (scraped, of_scraped)) = reports
    assert (first, second) == ("leader", "follower")
    assert {f"otel_llm.{name}" for name in OF_A_LEADER if not name.startswith("outputs")} <= set(of_leader)
    assert {f"otel_llm.{name}" for name in OF_A_LEADER} & set(of_scraped) == set()
    assert len(of_follower) <= 165, of_follower
    slack = 1.0 if sys.version_info[:2] == (3, 11) else ELSEWHERE
    assert followers <= FOLLOWER * slack, f"{followers} bytes: what has a follower begun to import or to keep?"
    assert scraped <= SCRAPED * slack, f"{scraped} bytes: what does a follower import to pass on what its leader shows?"
    assert leaders <= LEADER * slack, f"{leaders} bytes"
