"""OTLP over HTTP: what a sender posts, taken by the gateway, answered as the protocol says.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from otel_llm.core.guard import guard

from .access import Access
from .batch import MalformedError
from .body import PackingError, TooLargeError, unpack
from .forward import Forwarder
from .intake import SIGNALS, Intake
from .service import REQUESTS, FullError, Gateway
from .spanlog import NoRoomError

JSON, PROTOBUF = "application/json", "application/x-protobuf"
_BUSY_SECONDS = 1


class Answer(NamedTuple):
    """What a sender gets: ``rejected`` spans are lost, ``message`` says why."""

    status: int
    rejected: int = 0
    message: str = ""
    retry: float | None = None


class Receiver:
    """The application that is served. Bodies that are being read or worked on take ``memory_limit`` bytes at most."""

    def __init__(self, gateway: Gateway, access: Access | None = None, forwarder: Forwarder | None = None) -> None:
        self._gateway = gateway
        self._intake = Intake(gateway)
        self._access = access or Access()
        self._forwarder = forwarder
        self._options = gateway.options
        self._bytes = 0
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="otel-llm-gateway")
        self.app = Starlette(
            routes=[
                *(Route(f"/v1/{signal}", self._endpoint(signal), methods=["POST"]) for signal in SIGNALS),
                Route("/healthz", _healthy, methods=["GET"]),
            ],
        )

    def work(self, signal: str, body: bytes) -> Answer:
        """What came by another transport, in protobuf and not packed."""
        return self._worker.submit(self._work, signal, body, "", PROTOBUF).result()

    def count(self, words: Counter[tuple[str, str]]) -> None:
        """Count what happened."""
        self._gateway.count(words)

    def close(self) -> None:
        """Wait for what is being worked on."""
        self._worker.shutdown()

    def _endpoint(self, signal: str) -> Callable[[Request], object]:
        async def endpoint(request: Request) -> Response:
            form = JSON if request.headers.get("content-type", "").startswith(JSON) else PROTOBUF
            answer = await self._answer(signal, request, form)
            outcome = "accepted" if answer.status == 200 else "busy" if answer.retry else "refused"  # noqa: PLR2004 - HTTP
            self._gateway.count(Counter({(REQUESTS, f"{signal} {outcome}"): 1}))
            return _response(answer, form)

        return endpoint

    async def _answer(self, signal: str, request: Request, form: str) -> Answer:
        if not self._access.allows(request.headers.get("authorization", "")):
            return Answer(401, message="authorization is missing or wrong")
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in (JSON, PROTOBUF):
            return Answer(415, message=f"content-type is not {PROTOBUF} or {JSON}")
        held = [0]
        try:
            body = await asyncio.wait_for(self._read(request, held), self._options.body_seconds)
            encoding = request.headers.get("content-encoding", "")
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._worker, self._work, signal, body, encoding, form)
        except (TimeoutError, asyncio.TimeoutError):
            return Answer(408, message=f"the body took longer than {self._options.body_seconds:g} s")
        except ClientDisconnect:
            return Answer(400, message="the sender left")
        except (TooLargeError, FullError) as error:
            return self._refusal(error)
        finally:
            self._bytes -= held[0]

    async def _read(self, request: Request, held: list[int]) -> bytes:
        """The body as it was sent; ``held`` counts the bytes that it takes. Raises ``TooLargeError`` or ``FullError``."""
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._options.body_limit:
            raise TooLargeError
        pieces: list[bytes] = []
        async for piece in request.stream():
            if self._bytes + len(piece) > self._options.memory_limit:
                raise FullError(_BUSY_SECONDS)
            held[0] += len(piece)
            self._bytes += len(piece)
            if held[0] > self._options.body_limit:
                raise TooLargeError
            pieces.append(piece)
        return b"".join(pieces)

    def _refusal(self, error: Exception) -> Answer:
        if isinstance(error, FullError):
            return Answer(429, message=str(error), retry=error.seconds)
        return Answer(413, message=f"the body is larger than {self._options.body_limit} bytes")

    def _work(self, signal: str, packed: bytes, encoding: str, form: str) -> Answer:
        try:
            body = unpack(packed, encoding, self._options.body_limit)
            rejected, message = self._intake.take(signal, body, is_json=form == JSON)
        except (TooLargeError, FullError) as error:
            return self._refusal(error)
        except (PackingError, MalformedError) as error:
            return Answer(400, message=str(error))
        except NoRoomError:
            return Answer(503, message="the gateway's disk is full; try again later", retry=10.0)
        if self._forwarder is not None:
            with guard("gateway"):
                self._forwarder.put(signal, packed, encoding, form)
        return Answer(200, rejected, message)


async def _healthy(_: Request) -> Response:
    return Response("ok\n", media_type="text/plain")


def _response(answer: Answer, form: str) -> Response:
    headers = {} if answer.retry is None else {"retry-after": str(math.ceil(answer.retry))}
    if answer.status == 401:  # noqa: PLR2004 - HTTP
        headers["www-authenticate"] = 'Basic realm="otel-llm", Bearer'
    if answer.status == 200:  # noqa: PLR2004 - HTTP
        body = _accepted(answer, form)
    else:
        body = (
            json.dumps({"message": answer.message}).encode()
            if form == JSON
            else b"\x12" + _sized(answer.message.encode())
        )
    return Response(body, answer.status, headers, media_type=form)


def _accepted(answer: Answer, form: str) -> bytes:
    """An Export...ServiceResponse; the number of what was rejected has the same place in those of all signals."""
    if not answer.rejected and not answer.message:
        return b"{}" if form == JSON else b""
    if form == JSON:
        partial = {"rejectedSpans": str(answer.rejected), "errorMessage": answer.message}
        return json.dumps({"partialSuccess": partial}).encode()
    inner = (b"\x08" + _varint(answer.rejected) if answer.rejected else b"") + b"\x12" + _sized(answer.message.encode())
    return b"\x0a" + _sized(inner)


def _sized(text: bytes) -> bytes:
    return _varint(len(text)) + text


def _varint(number: int) -> bytes:
    """Protobuf's way to write a number."""
    written = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
