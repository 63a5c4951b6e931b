"""The doctor's questions, by chapter: each a function from what is there to findings."""

from __future__ import annotations

import json
import platform
import re
import time
from dataclasses import fields
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING, Any

from otel_llm.aggregate.budgets import read as read_budgets
from otel_llm.core.config import Config
from otel_llm.core.document import DocumentError
from otel_llm.pricing import Prices
from otel_llm.pricing.overrides import Overrides

from . import inspect_libraries, inspect_serving
from .findings import Finding, some
from .inspect_exporters import exporting
from .providers import version

if TYPE_CHECKING:
    from collections.abc import Iterable


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
    facts = inspect_libraries.probe(config, overhead=overhead)
    return {
        "Installed": [*installed()],
        "Libraries": [*inspect_libraries.libraries(facts)],
        "Configuration": [*configuration(config), *inspect_serving.notify_urls(config)],
        "Serving": [*inspect_serving.port(config), inspect_serving.state(config)],
        **({"Exporters": exported} if (exported := [*exporting(config)]) else {}),
        "Prices": [*prices(config)],
        "Budgets": [*budgets(config)],
        "Overhead": [*cost(facts, wanted=overhead)],
    }


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
    if ours != {"otel_llm"}:
        yield Finding(
            "warn", "entry points", f"not those of this version: {some(sorted(ours)) if ours else 'none'}", REINSTALL
        )
    for name in sorted(entry_points - {"otel_llm"}):
        yield Finding("note", "distribution", f"{name} is installed too, and goes on to set up OpenTelemetry's SDK")


def configuration(config: Config) -> Iterable[Finding]:
    """As understood, and from where."""
    for spec in fields(Config):
        if spec.metadata and spec.metadata["variable"] in config.given:
            value = getattr(config, spec.name)
            text = f"{len(value)} set" if spec.name in _SECRET else json.dumps(value, default=str)
            yield Finding("ok", "environment", f"{spec.metadata['variable']} = {_PASSWORD.sub('//...@', text)}")
    for problem in config.problems:
        yield Finding("fail", "mistake", problem)
    settings = sum(1 for spec in fields(Config) if spec.metadata)
    yield Finding("note", "defaults", f"{settings - len(config.given)} of {settings} settings (docs/configuration.md)")


def prices(config: Config) -> Iterable[Finding]:
    """Whether there is a table, from when, and the file of one's own."""
    table_date = Prices(config).date()
    if table_date is None:
        yield Finding("fail", "table", "there are no list prices: every call counts as unpriced", REINSTALL)
    else:
        day, days = datetime.fromtimestamp(table_date, timezone.utc), (time.time() - table_date) / DAY
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
        configured = read_budgets(config.budgets_file, config.metric_labels) if config.budgets_file else ()
    except DocumentError as error:
        yield Finding("fail", "file", f"{error}; the file is not used")
        return
    if configured:
        yield Finding("ok", "file", f"{config.budgets_file}: {some([budget.name for budget in configured])}")
    elif not overall:
        yield Finding("note", "none", "spend is counted, and compared with nothing (OTEL_LLM_BUDGET_DAILY_USD)")


def _unmeasured(facts: dict[str, Any], *, wanted: bool) -> str:
    if not wanted:
        return "as asked"
    if facts.get("timed_out"):
        return "this machine is too busy: the time was up before"
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
