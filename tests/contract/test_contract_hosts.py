"""Who is behind a base URL."""

from __future__ import annotations

import pytest

from otel_llm.clients._hosts import behind_text

HOSTS = {
    "api.openai.com": "openai",
    "eu.api.openai.com": "openai",
    "mine.openai.azure.com": "azure.ai.openai",
    "mine.openai.azure.us": "azure.ai.openai",
    "bedrock-runtime.us-east-1.amazonaws.com": "aws.bedrock",
    "bedrock-runtime-fips.us-east-1.amazonaws.com": "aws.bedrock",
    "vpce-1-2.bedrock-runtime.us-east-1.vpce.amazonaws.com": "aws.bedrock",
    "europe-west4-aiplatform.googleapis.com": "gcp.vertex_ai",
    "aiplatform.eu.rep.googleapis.com": "gcp.vertex_ai",
    "us-api.together.ai": "together",
    "api.minimaxi.com": "minimax",
    "api.tokenfactory.nebius.com": "nebius",
    "adb-12.3.azuredatabricks.net": "databricks",
    "llm.example.com": "whoever",
}


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_its_provider_s(host: str) -> None:
    assert behind_text(f"https://{host}/v1", "whoever") == (HOSTS[host], host, 443)
