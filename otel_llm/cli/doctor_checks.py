"""The doctor's questions, by chapter: each a function from what is there to findings."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import fields
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING, Any

from otel_llm import clients
from otel_llm.aggregate.budgets import read as read_budgets
from otel_llm.calls.conflicts import OTHERS
from otel_llm.calls.declarations import Replace
from otel_llm.core.config import Config, environment
from otel_llm.core.document import DocumentError
from otel_llm.pricing import Prices
from otel_llm.pricing.overrides import Overrides

from . import inspect_serving
from .demo_environment import instrumented
from .findings import Finding, some
from .inspect_exporters import exporting
from .providers import version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_llm.calls.declarations import ClientLibrary

PROBE_SECONDS = 60
DISTRO = "otel_llm.runtime.distro"  # where our entry points lead to
REINSTALL = "pip install --force-reinstall otel-llm"
NEEDED = (
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation",
    "prometheus-client",
    "wrapt",
)
OLD_DAYS = 60  # of list prices: most providers change one within that time
DAY = 86400.0  # seconds
COSTLY = 500.0  # microseconds of CPU per call
_SECRET = ("notify_warning", "notify_critical")
_PASSWORD = re.compile(r"//[^/@\s]+@")  # of a URL, as //user:password@


def examine(config: Config, *, overhead: bool) -> dict[str, list[Finding]]:
    """All chapters."""
    facts = probe(config, overhead=overhead)
    return {
        "Installed": [*installed(), *instrumentations()],
        "Libraries": [*libraries(facts)],
        "Configuration": [*configuration(config), *inspect_serving.notify_urls(config)],
        "Serving": [*inspect_serving.port(config), inspect_serving.state(config)],
        **({"Exporters": exported} if (exported := [*exporting(config)]) else {}),
        "Prices": [*prices(config)],
        "Budgets": [*budgets(config)],
        "Overhead": [*cost(facts, wanted=overhead)],
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
        OTEL_LLM_NOTIFY_CRITICAL=None, OTEL_LLM_PRICES_UPDATE=None,
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
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"trouble": str(error)}
    try:
        facts: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return {"trouble": (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]}
    return facts


def installed() -> Iterable[Finding]:
    """Versions of what we stand on."""
    yield Finding(
        "ok", "otel-llm", f"{version('otel-llm') or 'not installed as a package'}, Python {platform.python_version()}"
    )
    missing = [name for name in NEEDED if not version(name)]
    yield Finding("ok", "needs", ", ".join(f"{name} {version(name)}" for name in NEEDED if name not in missing))
    if missing:
        yield Finding("fail", "missing", some(missing), REINSTALL)
    entry_points = {point.name for point in metadata.entry_points(group="opentelemetry_distro")}
    if "otel_llm" not in entry_points:
        yield Finding(
            "fail",
            "entry points",
            "opentelemetry-instrument does not find otel-llm",
            "pip install otel-llm, not only its files on the path",
        )
    ours = {point.name for point in metadata.entry_points(group="opentelemetry_instrumentor", module=DISTRO)}
    wanted = {f"otel_llm_{name}" for name in clients.NAMES}
    if ours != wanted:
        yield Finding("warn", "entry points", f"not those of this version: {some(sorted(ours ^ wanted))}", REINSTALL)
    for name in sorted(entry_points - {"otel_llm"}):
        yield Finding("note", "distribution", f"{name} is installed too, and keeps its say over OpenTelemetry's SDK")


def instrumentations() -> Iterable[Finding]:
    """Others that would make spans of the same calls."""
    for provider, modules in OTHERS.items():
        for module in modules:
            if _there(module):
                yield Finding("warn", "other", f"{module} instruments {provider} too: each call has two spans, metrics count it once",
                              f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={provider} keeps ours, otel_llm_{provider} theirs")  # fmt: skip


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


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
    if not facts["running"]:
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
        if version(declared.distribution):
            yield _library(declared, version(declared.distribution), facts["libraries"][name])
        else:
            absent.append(declared.distribution)
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
            f"{there} is left alone: {facts['refused'] or facts['trouble']}",
            f"tested versions: {', '.join(declared.tested)}",
        )
    if not facts["watched"] and facts["disabled"]:
        return Finding("note", name, f"{there} is switched off by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    if not facts["watched"]:
        says = f"{there} is not watched: opentelemetry-instrument did not come to otel_llm_{name}"
        return Finding("fail", name, says, "look at what it says: opentelemetry-instrument python -c pass")
    if not facts["patched"]:
        return Finding(
            "fail",
            name,
            f"{there}: nothing could be patched, its calls are not seen",
            f"tested versions: {', '.join(declared.tested)}",
        )
    native = any(isinstance(hook, Replace) for hook in declared.hooks)
    says = f"{there} is watched, {len(facts['patched'])} hooks" + (
        ", its own span is merged with ours" if native else ""
    )
    return Finding("ok", name, says)


def configuration(config: Config) -> Iterable[Finding]:
    """As understood, and from where."""
    for spec in fields(Config):
        if spec.metadata and spec.metadata["variable"] in config.given:
            value = getattr(config, spec.name)
            shown = f"{len(value)} set" if spec.name in _SECRET else json.dumps(value, default=str)
            yield Finding("ok", "environment", f"{spec.metadata['variable']} = {_PASSWORD.sub('//...@', shown)}")
    for problem in config.problems:
        yield Finding("fail", "mistake", problem)
    settings = sum(1 for spec in fields(Config) if spec.metadata)
    yield Finding("note", "defaults", f"{settings - len(config.given)} of {settings} settings (docs/configuration.md)")


def prices(config: Config) -> Iterable[Finding]:
    """Whether there is a table, from when, and the file of one's own."""
    made = Prices(config).date()
    if made is None:
        yield Finding("fail", "table", "there are no list prices: every call counts as unpriced", REINSTALL)
    else:
        day, days = datetime.fromtimestamp(made, timezone.utc), (time.time() - made) / DAY
        text = f"list prices of {day:%Y-%m-%d}"
        if days > OLD_DAYS:
            yield Finding("warn", "table", f"{text}, {days:.0f} days old", "pip install --upgrade otel-llm")
        else:
            yield Finding("ok", "table", text)
    if config.prices_file:
        trouble = price_file_trouble(config.prices_file)
        yield (
            Finding("fail", "file", trouble) if trouble else Finding("ok", "file", f"{config.prices_file} comes first")
        )


def price_file_trouble(path: str) -> str:
    """What is wrong with a file of prices; empty if nothing is."""
    return "; ".join(Overrides.from_file(path).problems)


def budgets(config: Config) -> Iterable[Finding]:
    """What there is to stay within."""
    limits = {"a day": config.budget_daily, "a month": config.budget_monthly}
    overall = [f"{limit:g} USD {period}" for period, limit in limits.items() if limit is not None]
    if overall:
        yield Finding("ok", "overall", ", ".join(overall))
    try:
        found = read_budgets(config.budgets_file, config.metric_labels) if config.budgets_file else ()
    except DocumentError as error:
        yield Finding("fail", "file", f"{error}; the file is not used")
        return
    if found:
        yield Finding("ok", "file", f"{config.budgets_file}: {some([budget.name for budget in found])}")
    elif not overall:
        yield Finding("note", "none", "spend is counted, and compared with nothing (OTEL_LLM_BUDGET_DAILY_USD)")


def _unmeasured(facts: dict[str, Any], *, wanted: bool) -> str:
    if not wanted:
        return "as asked"
    return "the program did not run" if facts.get("trouble") else "it takes the openai client to measure"


def cost(facts: dict[str, Any], *, wanted: bool) -> Iterable[Finding]:
    """Processor time per call."""
    measured = facts.get("overhead")
    if not measured:
        yield Finding("note", "not measured", _unmeasured(facts, wanted=wanted))
        return
    added, spread, client = measured["added"], measured["spread"], measured["client"]
    beside = f"beside {client:.0f} us of the client itself"
    if added > COSTLY:
        yield Finding(
            "warn", "per call", f"{added:.0f} us of CPU per call, {beside}", "a busy machine? if not, please report it"
        )
    elif added < spread:
        yield Finding(
            "ok", "per call", f"too small to measure here (below about {spread:.0f} us of CPU per call), {beside}"
        )
    else:
        yield Finding("ok", "per call", f"{added:.0f} us of CPU per call, {beside}")
