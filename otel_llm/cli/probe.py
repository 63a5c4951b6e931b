"""What ``otel-llm doctor`` starts under ``opentelemetry-instrument``: imports every library that is there and tells what was patched."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import time
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import otel_llm
from otel_llm import clients, runtime
from otel_llm.calls import conflicts
from otel_llm.core.guard import Guard, guard

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP, CALLS, PAIRS = 2, 8, 25


def libraries() -> dict[str, dict[str, Any]]:
    """By provider: what was patched, what was not found, and why a library is left alone."""
    running = runtime.current()
    facts: dict[str, dict[str, Any]] = {}
    for name in clients.NAMES:
        trouble = _import(name)
        watched = running.installed.get(name) if running is not None else None
        facts[name] = {
            "trouble": trouble,
            "patched": list(watched.patched) if watched else [],
            "missing": list(watched.missing) if watched else [],
            "refused": running.refused.get(name, "") if running is not None else "",
            "watched": watched is not None,
            "disabled": running is not None and f"otel_llm_{name}" in running.config.disabled,
            "others": conflicts.active(name),
        }
    return facts


def _import(name: str) -> str:
    """Import what the provider's hooks wait for; why that fails, or nothing."""
    for module in dict.fromkeys(hook.module for hook in clients.load(name).hooks):
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            return ""
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            continue  # a part that this version does not have
        except ImportError as error:
            return str(error)
    return ""


def overhead() -> dict[str, float] | None:
    """Microseconds of CPU per plain call: of the client alone, added by otel-llm, and how far pairs of rounds are apart.

    None without the openai client.
    """
    if importlib.util.find_spec("openai") is None or runtime.current() is None:
        return None
    import openai  # noqa: PLC0415 - only where it is installed

    from otel_llm.testing.loopback import Loopback  # noqa: PLC0415 - likewise

    with Loopback(keep=1) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="doctor", max_retries=0)

        def call() -> None:
            client.chat.completions.create(model="gpt-4.1", messages=[{"role": "user", "content": "Hello"}])

        return _compare(call)


def _compare(call: Callable[[], None]) -> dict[str, float]:
    """Short rounds with us and without take turns, each compared with its neighbour: what slows the machine for a while slows both."""
    alone: list[float] = []
    added: list[float] = []
    for _ in range(PAIRS):
        with_us = _timed(call)
        otel_llm.uninstrument("openai")
        alone.append(_timed(call))
        otel_llm.instrument("openai")
        added.append(with_us - alone[-1])
    low, middle, high = quantiles(added, n=4)
    return {"client": median(alone), "added": middle, "spread": (high - low) / 2}


def _timed(call: Callable[[], None]) -> float:
    for _ in range(WARM_UP):
        call()
    times = []
    for _ in range(CALLS):
        began = time.thread_time()
        call()
        times.append((time.thread_time() - began) * 1e6)
    return median(times)


def main() -> None:
    """Print the facts as one line of JSON."""
    running = runtime.current()
    facts: dict[str, Any] = {"running": running is not None, "libraries": libraries(), "overhead": None}
    if "--no-overhead" not in sys.argv:
        with guard("doctor"):
            facts["overhead"] = overhead()
    facts["worker"] = {**running.member.describe(), "port": running.endpoint.port} if running is not None else None
    facts["errors"] = dict(Guard.errors)
    sys.stdout.write(f"\n{json.dumps(facts)}\n")


if __name__ == "__main__":
    main()
