"""What ``otel-llm doctor`` starts under ``opentelemetry-instrument``: imports every library that is there, makes a call with it
where one can be answered here, and prints the result of each as a line of JSON, as soon as it is known."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import otel_llm
from otel_llm import clients, runtime
from otel_llm.calls.chain import foreign, ours
from otel_llm.calls.declarations import Patch
from otel_llm.calls.install import below, resolve
from otel_llm.core import dispatch
from otel_llm.core.guard import Guard, guard
from otel_llm.core.guard import foreign as theirs
from otel_llm.core.model import Observation

from . import others

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_llm.calls.declarations import ClientLibrary, Trial

WARM_UP, CALLS, PAIRS = 2, 8, 25


def library(name: str) -> dict[str, Any]:
    """What was patched of one library, what is missing from it, why it is left alone, who else is on it, and whether a call was seen."""
    running = runtime.current()
    declared = clients.load(name)
    trouble = _import(declared)
    watched = running.installed.get(name) if running is not None else None
    facts = {
        "trouble": trouble,
        "patched": list(watched.patched) if watched else [],
        "missing": list(watched.missing) if watched else [],
        "refused": running.refused.get(declared.distribution, "") if running is not None else "",
        "watched": watched is not None,
        "disabled": running is not None and f"otel_llm_{name}" in running.config.disabled,
        "others": {},
        "hidden": [],
        "trial": None,
    }
    if facts["patched"]:
        with guard("doctor"):
            facts["others"] = others.of(declared.hooks[0].module.partition(".")[0], declared.distribution)
            facts["hidden"] = hidden(declared)
            facts["trial"] = tried(declared.trial) if declared.trial is not None else None
    return facts


def hidden(declared: ClientLibrary) -> list[str]:
    """The places that a call passes and from which no way leads to ours: something that cannot be followed stands there."""
    return [
        f"{hook.module}:{target}"
        for hook in declared.hooks
        if isinstance(hook, Patch)
        for target in hook.targets
        if not _leads_to_ours(hook.module, target)
    ]


def _leads_to_ours(module: str, target: str) -> bool:
    parent, name = resolve(sys.modules.get(module), target)
    if parent is None:
        return True  # another version's
    heirs = [vars(heir)[name] for heir in below(parent) if name in vars(heir)] if isinstance(parent, type) else []
    above = [value for value in heirs if foreign(value, module)]  # of a subclass: the library's own call the base's
    return all(map(ours, (getattr(parent, name), *above)))


def tried(trial: Trial) -> dict[str, Any]:
    """Make the call: how many requests it sent, how many calls of it we saw, and what it raised."""
    from otel_llm.testing.loopback import Loopback, Reply  # noqa: PLC0415 - only where it is needed

    try:
        module = importlib.import_module(trial.module)
    except ImportError as error:
        return {"requests": 0, "calls": 0, "raised": type(error).__name__}
    observations: list[Observation] = []
    before = dispatch.recorders
    raised: list[str] = []
    script = None if trial.reply is None else lambda _: Reply.of_json(dict(trial.reply or {}))
    with Loopback(script=script) as server:
        dispatch.listen(
            *before, lambda record: observations.append(record) if isinstance(record, Observation) else None
        )
        try:
            with theirs(lambda error: raised.append(type(error).__name__)):
                trial.ask(module, server.url)
        finally:
            dispatch.listen(*before)
        return {"requests": len(server.requests), "calls": len(observations), "raised": "".join(raised)}


def _import(declared: ClientLibrary) -> str:
    """Import what the library's hooks wait for; why that fails, or nothing."""
    for module in dict.fromkeys(hook.module for hook in declared.hooks):
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


def _say(facts: dict[str, Any]) -> None:
    sys.stdout.write(f"\n{json.dumps(facts)}\n")
    sys.stdout.flush()


def main() -> None:
    """Print the facts, a line of JSON for each step: who waits for no more than a time has what is known by then."""
    running = runtime.current()
    _say({"running": running is not None})
    if running is None:
        return
    for name in clients.NAMES:
        if importlib.util.find_spec(clients.MODULES[name][0].partition(".")[0]) is not None:
            _say({"library": name, **library(name)})
    _say({"libraries_done": True})
    measured = None
    if "--no-overhead" not in sys.argv:
        with guard("doctor"):
            measured = overhead()
    worker = {**running.member.describe(), "port": running.endpoint.port}
    _say({"overhead": measured, "worker": worker, "errors": dict(Guard.errors)})


if __name__ == "__main__":
    main()
    os._exit(
        0
    )  # past the end of OpenTelemetry's SDK, which would send what it has of made-up calls, or wait for who takes it
