"""Flask behind gunicorn: ``opentelemetry-instrument gunicorn -w 4 examples.flask_app:app``; one exact /metrics on :9464."""

import anthropic
from flask import Flask, request

from otel_llm.middleware import WSGIMiddleware

app = Flask(__name__)
app.wsgi_app = WSGIMiddleware(app.wsgi_app)  # type: ignore[method-assign]


@app.get("/ask")
def ask() -> dict[str, str]:
    message = anthropic.Anthropic().messages.create(
        model="claude-haiku-4-5", max_tokens=200, messages=[{"role": "user", "content": request.args["q"]}]
    )
    return {"answer": "".join(block.text for block in message.content if block.type == "text")}
