"""What series are made of, without the metrics themselves: buckets of histograms, words of labels, sets of labels. A call needs no more."""

from __future__ import annotations

DURATION_BUCKETS = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 30.0, 40.96, 60.0, 81.92, 120.0, 300.0, 600.0,
)  # fmt: skip
COUNT_BUCKETS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0, 256.0)
TOKEN_BUCKETS = tuple(float(4**power) for power in range(14))
SCORE_BUCKETS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 50.0, 100.0)
COST_BUCKETS = (
    1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
)  # fmt: skip

ERROR_TYPES = (
    "timeout", "connection", "rate_limit", "quota", "authentication", "permission", "not_found", "invalid_request",
    "context_length", "conflict", "overloaded", "server_error", "content_filter", "parse", "cancelled", "abandoned",
    "tool_error", "_OTHER",
)  # fmt: skip
OTHER = "_other"  # what a label value becomes past its bound
NO_AGENT = "_none"  # the agent label of what no agent's run is part of

CALL = ("gen_ai_provider_name", "gen_ai_request_model", "gen_ai_operation_name")
WIDE = (*CALL, "gen_ai_response_model", "server_address")
MODEL = ("gen_ai_provider_name", "gen_ai_request_model")
