"""xAI's chat over gRPC on 127.0.0.1, by the SDK's own protocol: 100 tokens in (40 cached), 20 out, 5 of reasoning beside them."""

from __future__ import annotations

from concurrent import futures
from typing import Any

import grpc
from xai_sdk.proto import chat_pb2, chat_pb2_grpc, sample_pb2, usage_pb2

TICKS = 12_300_000  # of 1e-10 US dollars


class Chat(chat_pb2_grpc.ChatServicer):
    """A model called ``fail-<CODE>`` is refused with that gRPC status."""

    def GetCompletion(self, request: Any, context: Any) -> Any:
        _refuse(request.model, context)
        reply = chat_pb2.GetChatCompletionResponse(id="x-1", model=request.model, usage=_usage())
        output = reply.outputs.add(finish_reason=sample_pb2.FinishReason.REASON_STOP)
        output.message.content = '{"word": "Hello"}'
        output.message.role = chat_pb2.MessageRole.ROLE_ASSISTANT
        return reply

    def GetCompletionChunk(self, request: Any, context: Any) -> Any:
        _refuse(request.model, context)
        for index, piece in enumerate(("Hello", " from", " here")):
            chunk = chat_pb2.GetChatCompletionChunk(id="x-1", model=request.model)
            output = chunk.outputs.add()
            output.delta.content = piece
            output.delta.role = chat_pb2.MessageRole.ROLE_ASSISTANT
            if index == 2:
                output.finish_reason = sample_pb2.FinishReason.REASON_STOP
                chunk.usage.CopyFrom(_usage())
            yield chunk


def _usage() -> Any:
    return usage_pb2.SamplingUsage(
        prompt_tokens=100, completion_tokens=20, reasoning_tokens=5, total_tokens=125, cached_prompt_text_tokens=40,
        prompt_text_tokens=100, cost_in_usd_ticks=TICKS,
    )  # fmt: skip


def _refuse(model: str, context: Any) -> None:
    if model.startswith("fail-"):
        context.abort(getattr(grpc.StatusCode, model.removeprefix("fail-")), "refused")


class FakeXAI:
    """``with FakeXAI() as server: xai_sdk.Client(api_key=..., api_host=server.host, use_insecure_channel=True)``."""

    def __enter__(self) -> Any:
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        chat_pb2_grpc.add_ChatServicer_to_server(Chat(), self._server)
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()
