"""What the doctor finds about client libraries: what a program under ``opentelemetry-instrument`` printed of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from otel_llm import clients
from otel_llm.calls.declarations import Replace
from otel_llm.core.config import Config, environment
from otel_llm.frameworks.duplicates import switch

from .demo_environment import instrumented
from .findings import Finding, some
from .providers import version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_llm.calls.declarations import ClientLibrary

PROBE_SECONDS = 300  # for the imports of all libraries on a busy machine

NOTHING_LEAVES = {  # its calls are made up: whatever the SDK records of them waits longer than the program runs
    "OTEL_BSP_SCHEDULE_DELAY": "3600000",
    "OTEL_BSP_MAX_QUEUE_SIZE": "100000",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "100000",
    "OTEL_BLRP_SCHEDULE_DELAY": "3600000",
    "OTEL_BLRP_MAX_QUEUE_SIZE": "100000",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "100000",
    "OTEL_METRIC_EXPORT_INTERVAL": "3600000",
}


def probe(config: Config, *, overhead: bool) -> dict[str, Any]:
    """What a program under ``opentelemetry-instrument`` says here; ``trouble`` where it says nothing."""
    place = config.state_dir if os.access(config.state_dir, os.W_OK) else None  # a root that is read-only has no other
    try:
        with tempfile.TemporaryDirectory(prefix="otel-llm-doctor-", dir=place) as scratch:
            return _probe(scratch, overhead=overhead)
    except OSError as error:
        return {
            "trouble": f"there is no directory to try it in ({error.strerror}); set OTEL_LLM_STATE_DIR or TMPDIR to one"
        }


def _probe(scratch: str, *, overhead: bool) -> dict[str, Any]:
    environ = environment(
        OTEL_EXPORTER_PROMETHEUS_PORT="0", OTEL_LLM_STATE_DIR=scratch, OTEL_LLM_NOTIFY_WARNING=None,
        OTEL_LLM_NOTIFY_CRITICAL=None, OTEL_LLM_PRICES_UPDATE=None, **NOTHING_LEAVES,
    )  # fmt: skip
    command = [
        *instrumented(),
        sys.executable,
        "-m",
        "otel_llm.cli.probe",
        *([] if overhead else ["--no-overhead"]),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, env=environ, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except OSError as error:
        return {"trouble": str(error)}
    except subprocess.TimeoutExpired as expired:
        printed = expired.stdout or b""  # bytes, whatever was asked for
        return understood(printed.decode() if isinstance(printed, bytes) else printed) | {"timed_out": True}
    facts = understood(done.stdout)
    if "running" not in facts:
        return {"trouble": (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]}
    return facts


def understood(printed: str) -> dict[str, Any]:
    """The facts of the lines of JSON that the program printed; a line of anything else is a library's."""
    facts: dict[str, Any] = {"libraries": {}}
    for line in printed.splitlines():
        try:
            step = json.loads(line)
        except ValueError:
            continue
        if isinstance(step, dict):
            name = step.pop("library", None)
            if name is None:
                facts |= step
            else:
                facts["libraries"][name] = step
    return facts


def libraries(facts: dict[str, Any]) -> Iterable[Finding]:
    """What is watched, and why not."""
    if trouble := facts.get("trouble"):
        yield Finding(
            "fail",
            "start",
            f"a program under opentelemetry-instrument does not run: {trouble}",
            "try: opentelemetry-instrument python -c pass",
        )
        return
    if not facts.get("running", True):
        yield Finding(
            "fail",
            "start",
            "otel-llm does not start under opentelemetry-instrument",
            "is OTEL_SDK_DISABLED set, or otel_llm disabled?",
        )
        return
    absent = []
    for name in clients.NAMES:
        declared = clients.load(name)
        there = version(declared.distribution)
        if not there:
            absent.append(declared.distribution)
        elif name not in facts["libraries"]:
            yield _unseen(name, there, facts)
        else:
            yield _library(declared, there, facts["libraries"][name])
            yield from _others(name, facts["libraries"][name])
    if absent:
        yield Finding("note", "not installed", some(absent, 12))
    if errors := facts.get("errors"):
        yield Finding(
            "warn",
            "own errors",
            ", ".join(f"{name}: {count}" for name, count in errors.items()),
            "please report them, with the log above",
        )


def _library(declared: ClientLibrary, there: str, facts: dict[str, Any]) -> Finding:
    name = declared.name
    if facts["refused"] or facts["trouble"]:
        return Finding(
            "warn",
            name,
            f"{there} is not watched: {facts['refused'] or facts['trouble']}",
            f"tested versions: {', '.join(declared.tested)}",
        )
    if not facts["watched"] and facts["disabled"]:
        return Finding("note", name, f"{there} is switched off by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    if not facts["watched"]:
        says = f"{there} is not watched: opentelemetry-instrument did not load otel_llm_{name}"
        return Finding("fail", name, says, "look at what it says: opentelemetry-instrument python -c pass")
    if not facts["patched"]:
        return Finding(
            "fail",
            name,
            f"{there}: nothing could be patched, its calls are not seen",
            f"tested versions: {', '.join(declared.tested)}",
        )
    native = any(isinstance(hook, Replace) for hook in declared.hooks)
    merged = ", its own span is merged with ours" if native else ""
    return _tried(name, f"{there} is watched, {len(facts['patched'])} hooks{merged}", facts)


def _tried(name: str, watched: str, facts: dict[str, Any]) -> Finding:
    """What came of the call that was made, and of the way that calls take, where none was."""
    trial, hidden = facts["trial"], facts["hidden"]
    if trial is not None and trial["requests"]:
        calls, requests = trial["calls"], trial["requests"]
        if calls == requests:
            return Finding("ok", name, f"{watched}; a call was made and counted")
        says = f"{watched}, but {requests} requests were sent and {calls} calls counted"
        return Finding("fail", name, says, "please report it, with the versions above and who else wraps it")
    if hidden:
        says = f"{watched}, but something else stands at {some(hidden)}, through which no way to ours is seen"
        return Finding("warn", name, says, "make a call, and look for it on /metrics")
    if trial is not None:
        return Finding(
            "ok", name, f"{watched}; a call could not be made here ({trial['raised'] or 'nothing was sent'})"
        )
    return Finding("ok", name, f"{watched}; no call was made, but every call passes our hooks")


def _unseen(name: str, there: str, facts: dict[str, Any]) -> Finding:
    """A library of which the program printed nothing."""
    if facts.get("timed_out"):
        says = f"{there}: timed out after {PROBE_SECONDS} s, nothing is known of it"
        return Finding("warn", name, says, "try again on a quieter machine")
    return Finding("warn", name, f"{there}: its modules cannot be imported", "reinstall it")


def _others(name: str, facts: dict[str, Any]) -> Iterable[Finding]:
    """The other packages that wrap the library, by what stands on its classes."""
    for owner, places in facts["others"].items():
        says = f"{owner} wraps {places} methods of {name} too: a call may have two spans, metrics count it once"
        yield Finding(
            "note",
            "other",
            says,
            f"to keep one: {switch(owner)}, or OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=otel_llm_{name}",
        )
