"""xAI over gRPC on 127.0.0.1, by the SDK's own protocol, for the contract: it answers and fails as the loopback does.

100 tokens in (40 cached, but 30 for a model called ``cached``), 20 out, 5 of reasoning beside them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent import futures
from types import SimpleNamespace
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from xai_sdk.proto import chat_pb2, chat_pb2_grpc, image_pb2, image_pb2_grpc, sample_pb2, usage_pb2

from otel_llm.testing.loopback.switches import PIECES, Switches, read_switches

try:
    from xai_sdk.proto import deferred_pb2, video_pb2, video_pb2_grpc
except ImportError:
    video_pb2 = None  # before 1.5

TICKS = 12_300_000  # of 1e-10 US dollars
BILLS = "cost_in_usd_ticks" in usage_pb2.SamplingUsage.DESCRIPTOR.fields_by_name  # older versions do not know of it
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}
WORD = '{"word": "Hello"}'  # what ``parse`` is answered
ARGUMENTS = json.dumps({"city": "Paris"})


class Service:
    """What the services share: each request is kept, and refused where its model asks for that."""

    def __init__(self, fake: FakeXAI) -> None:
        self._fake = fake

    def took(self, method: str, request: Any, context: Any) -> Switches:
        switches = self._fake.take(method, request)
        if switches.fail:
            context.abort(getattr(grpc.StatusCode, STATUSES[switches.fail]), "refused")
        if "hang" in switches:
            self._fake.stopped.wait(10)
        return switches


class Chat(Service, chat_pb2_grpc.ChatServicer):
    """Answers whole, and in pieces."""

    def GetCompletion(self, request: Any, context: Any) -> Any:
        switches = self.took("GetCompletion", request, context)
        reply = chat_pb2.GetChatCompletionResponse(id="x-1", model=request.model, usage=_usage(switches))
        output = reply.outputs.add(finish_reason=_reason(switches))
        output.message.role = chat_pb2.MessageRole.ROLE_ASSISTANT
        if "tools" in switches:
            output.message.tool_calls.append(_call())
        else:
            output.message.content = WORD if request.HasField("response_format") else "".join(PIECES)
        return reply

    def GetCompletionChunk(self, request: Any, context: Any) -> Iterator[Any]:
        switches = self.took("GetCompletionChunk", request, context)
        pieces = PIECES * (switches.chunks // len(PIECES)) if switches.chunks else PIECES
        for index, piece in enumerate(("",) if "tools" in switches else pieces):
            if switches.cut is not None and index == switches.cut:
                context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
            yield self._chunk(request, switches, piece)
        chunk = self._chunk(request, Switches(frozenset()), "")
        chunk.outputs[0].finish_reason = _reason(switches)
        if (usage := _usage(switches)) is not None:
            chunk.usage.CopyFrom(usage)
        yield chunk

    def _chunk(self, request: Any, switches: Switches, piece: str) -> Any:
        chunk = chat_pb2.GetChatCompletionChunk(id="x-1", model=request.model)
        output = chunk.outputs.add()
        output.delta.role = chat_pb2.MessageRole.ROLE_ASSISTANT
        output.delta.content = piece
        if "tools" in switches:
            output.delta.tool_calls.append(_call())
        return chunk


class Image(Service, image_pb2_grpc.ImageServicer):
    """Draws as many as are asked for."""

    def GenerateImage(self, request: Any, context: Any) -> Any:
        self.took("GenerateImage", request, context)
        images = [image_pb2.GeneratedImage(url=f"https://img.example/{index}") for index in range(request.n or 1)]
        known = {"usage": _cost()} if "usage" in image_pb2.ImageResponse.DESCRIPTOR.fields_by_name else {}
        return image_pb2.ImageResponse(images=images, model=request.model, **known)


def _videos() -> type:
    class Video(Service, video_pb2_grpc.VideoServicer):
        """Has every video at the first poll."""

        def GenerateVideo(self, request: Any, context: Any) -> Any:
            self.took("GenerateVideo", request, context)
            return deferred_pb2.StartDeferredResponse(request_id=request.model)

        def ExtendVideo(self, request: Any, context: Any) -> Any:
            return self.GenerateVideo(request, context)

        def GetDeferredVideo(self, request: Any, context: Any) -> Any:
            video = video_pb2.GeneratedVideo(url="https://vid.example/1", duration=8, respect_moderation=True)
            told = video_pb2.VideoResponse(video=video, model=request.request_id, usage=_cost())
            return video_pb2.GetDeferredVideoResponse(status=deferred_pb2.DeferredStatus.DONE, response=told)

    return Video


def _cost() -> Any:
    return usage_pb2.SamplingUsage(**({"cost_in_usd_ticks": TICKS} if BILLS else {}))


def _usage(switches: Switches) -> Any:
    if "nousage" in switches:
        return None
    usage = _cost()
    cached = 30 if "cached" in switches else 40
    usage.MergeFrom(
        usage_pb2.SamplingUsage(
            prompt_tokens=100, completion_tokens=20, reasoning_tokens=5, total_tokens=125, cached_prompt_text_tokens=cached,
            prompt_text_tokens=100,
        )
    )  # fmt: skip
    return usage


def _reason(switches: Switches) -> Any:
    words = {"length": "REASON_MAX_LEN", "tools": "REASON_TOOL_CALLS"}
    return getattr(sample_pb2.FinishReason, words.get(switches.finish, "REASON_STOP"))


def _call() -> Any:
    function = chat_pb2.FunctionCall(name="get_weather", arguments=ARGUMENTS)
    return chat_pb2.ToolCall(id="call_1", function=function)


class FakeXAI:
    """``with FakeXAI() as server: xai_sdk.Client(api_key=..., api_host=server.url, use_insecure_channel=True)``."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.stopped = threading.Event()
        self._came = threading.Condition()

    def __enter__(self) -> Any:
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        chat_pb2_grpc.add_ChatServicer_to_server(Chat(self), self._server)
        image_pb2_grpc.add_ImageServicer_to_server(Image(self), self._server)
        if video_pb2 is not None:
            video_pb2_grpc.add_VideoServicer_to_server(_videos()(self), self._server)
        self.url = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.stop(0).wait()

    def take(self, method: str, request: Any) -> Switches:
        """Keep a request as the contract compares them."""
        body = MessageToDict(request)
        with self._came:
            self.requests.append(SimpleNamespace(method="POST", path=method, headers={}, body=body))
            self._came.notify_all()
        return read_switches(request.model)

    def clear(self) -> None:
        """Forget the requests."""
        self.requests.clear()

    def wait_for(self, count: int) -> None:
        """Wait until ``count`` requests came."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.requests) >= count, 10)
