"""The call of Bedrock that ``otel-llm doctor`` makes."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Trial


def _converse(session: Any, url: str) -> object:
    keys = {"aws_access_key_id": "doctor", "aws_secret_access_key": "doctor"}  # nobody's
    client = session.get_session().create_client("bedrock-runtime", "us-east-1", endpoint_url=url, **keys)
    return client.converse(modelId="doctor", messages=[{"role": "user", "content": [{"text": "Hello"}]}])


TRIAL = Trial(
    "botocore.session",
    _converse,
    {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1},
    },
)
