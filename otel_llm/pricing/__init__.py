"""Usage to money: what a call cost, by whom that is said, and what the provider's cache saved."""

from __future__ import annotations

from .explain import Component, Explanation, explain
from .price import Price
from .pricer import Pricer

__all__ = ["Component", "Explanation", "Price", "Pricer", "explain"]
