"""How many tokens real calls have, as quantiles to draw from."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

RANKS = (0.0, 0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A distribution by its values at ``RANKS``; between them it is straight in the logarithm."""

    values: tuple[float, ...]

    def at(self, rank: float) -> float:
        """The value that a share ``rank`` (0 to 1) of all draws does not exceed."""
        upper = min(max(bisect_right(RANKS, rank), 1), len(RANKS) - 1)
        low, high = self.values[upper - 1], self.values[upper]
        part = (rank - RANKS[upper - 1]) / (RANKS[upper] - RANKS[upper - 1])
        return math.exp(math.log(low) + part * (math.log(high) - math.log(low)))

    def draw(self, random: Random) -> int:
        """One value, rounded."""
        return round(self.at(random.random()))


# The conversation trace of the Azure LLM inference dataset 2023: 19,366 calls within an hour (AzurePublicDataset, CC-BY 4.0;
# Patel et al., "Splitwise: Efficient generative LLM inference using phase splitting", ISCA 2024). The two columns are
# nearly independent of each other (correlation -0.11), so they are drawn apart. The trace has no latencies.
CONTEXT_TOKENS = Quantiles((2, 29, 181, 207, 396, 1020, 1189, 2735, 4083, 4142, 14050))
GENERATED_TOKENS = Quantiles((7, 16, 41, 54, 85, 129, 395, 424, 451, 601, 1000))
