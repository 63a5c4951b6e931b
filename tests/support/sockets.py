"""Conversations over the WebSockets of the openai client, for sync and async connections alike."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from wire_formats.realtime import upgraded

from otel_llm.testing.loopback import Loopback

Step = dict[str, Any] | str | tuple[str, ...]  # an event to send, or the type of the event to wait for, or several
Connect = Callable[[Any], Any]  # client -> the manager of a connection
both = pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])


def client_of(server: Loopback, kind: Callable[..., Any]) -> Any:
    return kind(base_url=f"{server.url}/v1", websocket_base_url=f"ws{server.url[4:]}/v1", api_key="test-key")


def play(server: Loopback, kind: Callable[..., Any], connect: Connect, steps: Iterable[Step]) -> list[Any]:
    """The events received, and the error that ended it, if one did."""
    return asyncio.run(_played(client_of(server, kind), connect, steps))


async def _played(client: Any, connect: Connect, steps: Iterable[Step]) -> list[Any]:
    received: list[Any] = []
    async with _entered(client):
        try:
            async with _entered(connect(client)) as connection:
                for step in steps:
                    await _take(connection, step, received)
        except Exception as error:
            received.append(error)
    return received


async def _take(connection: Any, step: Step, received: list[Any]) -> None:
    if isinstance(step, dict):
        await _got(connection.send(step))
        return
    wanted = (step,) if isinstance(step, str) else step
    while True:
        received.append(await _got(connection.recv()))
        if received[-1].type in wanted:
            return


@asynccontextmanager
async def _entered(manager: Any) -> AsyncIterator[Any]:
    if hasattr(manager, "__aenter__"):
        async with manager as entered:
            yield entered
    else:
        with manager as entered:
            yield entered


async def _got(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def until(connection: Any, kind: str) -> Any:
    """The next event of a type, by iteration."""
    return next(event for event in connection if event.type == kind)


def scripted(server: Loopback, *turns: Iterable[Any]) -> None:
    """Let the server say the first of ``turns`` when it is connected to, and the next at each message."""

    def answer(request: Any) -> Any:
        rest = iter(turns)
        return upgraded(request, lambda _: next(rest, ()))

    server.script = answer


def outcome(found: Any) -> Any:
    """What a host sees of an event or an error: the type, all fields, and how the connection was closed."""
    dump = getattr(found, "model_dump", None)
    closed = getattr(found, "rcvd", None), getattr(found, "sent", None)
    return repr((type(found), dump(warnings=False) if callable(dump) else (str(found), closed)))


def next_outcome(connection: Any) -> str:
    """The same of whatever is received next."""
    try:
        return repr(connection.recv())
    except Exception as error:
        return repr(error)
