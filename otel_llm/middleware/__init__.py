"""Middleware: which endpoint, and whose request, an LLM call was made for, and what serving a request cost."""

from __future__ import annotations

from .asgi import ASGIMiddleware
from .wsgi import WSGIMiddleware

__all__ = ["ASGIMiddleware", "WSGIMiddleware"]
