"""The Azure trace, or a synthetic hour of the same quantiles where the file is not at hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from window_calls import Call

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "detection"))

import traces


@pytest.fixture(scope="session")
def azure() -> list[Call]:
    """An hour of real calls, latency modelled from the tokens."""
    path = os.environ.get("AZURE_LLM_TRACE")
    hour, _ = traces.load(path)
    rng = np.random.default_rng(1)
    noise = rng.lognormal(0.0, 0.25, len(hour.at))
    return [
        Call(
            traces.EPOCH + float(at), float((0.2 + 0.0003 * inputs + 0.02 * outputs) * factor), "", int(inputs), int(outputs),
            None, float(inputs * 2.5e-6 + outputs * 1e-5),
        )
        for at, inputs, outputs, factor in zip(hour.at, hour.inputs, hour.outputs, noise, strict=True)
    ]  # fmt: skip
