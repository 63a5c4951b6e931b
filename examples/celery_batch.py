"""A batch in Celery: ``opentelemetry-instrument celery -A examples.celery_batch worker``; one /metrics on :9464 for all its children.

Each task says for whom it works, so that a night's batch can be told apart from the rest: ``otel-llm report --by tenant`` with
``OTEL_LLM_METRIC_LABELS=tenant,feature``.
"""

import os

import openai
from celery import Celery, group

import otel_llm

app = Celery(
    "celery_batch",
    broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "redis://localhost:6379/1"),
)


@app.task(autoretry_for=(openai.RateLimitError,), retry_backoff=True, max_retries=5)
def summarize(tenant: str, text: str) -> str:
    with otel_llm.labels(tenant=tenant, feature="nightly_summary"):
        reply = openai.OpenAI().chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": f"Summarize in one sentence:\n{text}"}]
        )
    return reply.choices[0].message.content or ""


def batch(texts: dict[str, list[str]]) -> list[str]:
    """Summaries of all texts, given by tenant."""
    jobs = group(summarize.s(tenant, text) for tenant, mine in texts.items() for text in mine)
    summaries: list[str] = jobs.apply_async().get(timeout=600)
    return summaries
