"""Requests passed on to another OTLP endpoint as they came, in the background, so that no sender waits for it."""

from __future__ import annotations

import logging
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import NamedTuple

logger = logging.getLogger("otel_llm")

MOST_BYTES = 64 * 1024 * 1024
"""Of requests that wait; past it new ones are dropped, and counted."""
TRIES = 5
_TIMEOUT = 10.0
_AGAIN = (408, 429, 502, 503, 504)  # https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes


class _Item(NamedTuple):
    signal: str
    body: bytes
    headers: dict[str, str]


class Forwarder:
    """``url`` is the base of an OTLP/HTTP endpoint, as ``http://collector:4318``; ``count`` gets the result of each request."""

    def __init__(self, url: str, headers: Mapping[str, str], count: Callable[[str], object]) -> None:
        self._url = url.rstrip("/")
        self._headers = dict(headers)
        self._count = count
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._bytes = 0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._warned = False
        self._thread = threading.Thread(target=self._run, name="otel-llm-forward", daemon=True)
        self._thread.start()

    def put(self, signal: str, body: bytes, encoding: str, form: str) -> None:
        """Pass a request on, some time later; dropped where too much waits already."""
        headers = {"content-type": form, **self._headers}
        if encoding and encoding != "identity":
            headers["content-encoding"] = encoding
        with self._lock:
            full = self._bytes + len(body) > MOST_BYTES
            self._bytes += 0 if full else len(body)
        if full:
            self._count("dropped")
        else:
            self._queue.put(_Item(signal, body, headers))

    def close(self, seconds: float = 5.0) -> None:
        """Send what waits, for so long at most."""
        self._queue.put(None)
        self._thread.join(seconds)
        self._ending.set()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            outcome = self._send(item)
            with self._lock:
                self._bytes -= len(item.body)
            self._count(outcome)
            if outcome != "forwarded" and not self._warned:
                self._warned = True
                logger.warning(
                    "The gateway could not pass a request on to %s (logged once; counted as forward %s)",
                    self._url,
                    outcome,
                )

    def _send(self, item: _Item) -> str:
        for number in range(TRIES):
            request = urllib.request.Request(f"{self._url}/v1/{item.signal}", item.body, item.headers)  # noqa: S310 - of the operator
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310 - likewise
                    return "forwarded"
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in _AGAIN:
                    return "refused"
            except OSError:
                pass
            if self._ending.wait(min(2.0**number * 0.25, 5.0)):
                break
        return "failed"
