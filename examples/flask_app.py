"""Flask behind gunicorn: ``opentelemetry-instrument gunicorn -w 4 examples.flask_app:app``; one exact /metrics on :9464.

A second provider answers where the first is overloaded. Both calls are counted, and the change as a fallback with its reason.
"""

import anthropic
import openai
from flask import Flask, request

import otel_llm
from otel_llm.middleware import WSGIMiddleware

FIRST, SECOND = "claude-haiku-4-5", "gpt-4o-mini"

app = Flask(__name__)
app.wsgi_app = WSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]


@app.get("/ask")
def ask() -> dict[str, str]:
    question = request.args["q"]
    try:
        return {"answer": _first(question)}
    except (anthropic.RateLimitError, anthropic.InternalServerError) as error:
        with otel_llm.fallback(FIRST, SECOND, reason=type(error).__name__):
            return {"answer": _second(question)}


def _first(question: str) -> str:
    message = anthropic.Anthropic(max_retries=1).messages.create(
        model=FIRST, max_tokens=200, messages=[{"role": "user", "content": question}]
    )
    return "".join(block.text for block in message.content if block.type == "text")


def _second(question: str) -> str:
    reply = openai.OpenAI().chat.completions.create(model=SECOND, messages=[{"role": "user", "content": question}])
    return reply.choices[0].message.content or ""
