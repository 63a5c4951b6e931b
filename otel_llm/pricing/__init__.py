"""Usage to money: what a call cost, by whom that is said, and what the provider's cache saved."""

from __future__ import annotations

from .price import Price
from .pricer import Pricer

__all__ = ["Price", "Pricer"]
