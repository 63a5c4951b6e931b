"""Records to series, windows and spend: everything that one service knows."""

from .bounds import printable
from .cells import Histogram, Number, Row
from .store import Store, Verdict
from .views import View
from .wire import decode, encode

__all__ = ["Histogram", "Number", "Row", "Store", "Verdict", "View", "decode", "encode", "printable"]
