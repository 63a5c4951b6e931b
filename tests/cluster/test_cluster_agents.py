"""Runs of agents in four workers: one scrape has all of them, with their calls, tools and tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from cluster_lab import Service, samples

from otel_llm.testing.loopback import Loopback

RUNS = 40


def total(text: str, name: str, *labels: str) -> float:
    """The sum of the samples of ``name`` that have all of ``labels``."""
    return sum(value for key, value in samples(text).items() if key[0] == name and set(labels) <= set(key[1:]))


def test_runs_of_four_workers_are_counted_once(service: Service) -> None:
    with Loopback() as server:
        service.environment |= {"LLM_URL": server.url}
        where = ("-b", f"127.0.0.1:{service.port}", "--no-control-socket", "-w", "4", "--graceful-timeout", "5")
        service.start("gunicorn", *where, "service_app:wsgi")
        service.ready()
        with ThreadPoolExecutor(8) as clients:
            workers = set(clients.map(lambda _: service.get("/run"), range(RUNS)))
        assert len(workers) > 1
        text = service.metrics()
    agent = "support"
    assert total(text, "gen_ai_invoke_agent_duration_seconds_count", agent) == RUNS
    assert total(text, "gen_ai_invoke_agent_inference_calls_sum", agent) == 2 * RUNS
    assert total(text, "gen_ai_invoke_agent_tool_calls_sum", agent) == RUNS
    assert total(text, "gen_ai_execute_tool_duration_seconds_count", "search", agent) == RUNS
    assert total(text, "otel_llm_agent_tokens_total", agent, "input") == 200 * RUNS
    assert total(text, "otel_llm_agent_tokens_total", agent, "output") == 40 * RUNS
