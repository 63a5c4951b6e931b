"""What is generated, by path; written, or compared with what is there."""

from __future__ import annotations

import importlib.util
import json
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import click

from otel_llm.cli.problems import Failed, Problem

from . import reference, rules, spanspage

PRICES = "otel_llm/pricing/prices.jsonl"


def run(root: Path, *, check: bool) -> None:
    """Write the files below ``root`` that differ from what the code makes; where ``check``, name them and exit with 1."""
    files = wanted(root)
    stale = [path for path, text in files.items() if _differs(root / path, text)]
    if check:
        for path in stale:
            click.echo(f"{path} is not what the code makes: run otel-llm generate")
        click.echo(f"{len(files)} generated files, {len(stale)} stale")
        if stale:
            raise Failed
        return
    for path in stale:
        _write(root / path, files[path])
        click.echo(f"wrote {path}")
    click.echo(f"{len(files)} generated files, {len(stale)} written")


def wanted(root: Path) -> dict[str, str]:
    """The text of every generated file by its path; of pages with marks, what is between these is."""
    if importlib.util.find_spec("grafana_foundation_sdk") is None:
        raise Problem("the dashboards are built with grafana-foundation-sdk: install the development dependencies")
    from . import boards  # noqa: PLC0415 - it takes the library

    dashboards = {name: text for raw in (None, "released", "latest") for name, text in boards.generated(raw).items()}
    return {
        **rules.generated(),
        **dashboards,
        **reference.generated(),
        **_prices(root),
        **_measured(root),
        **_spans(root),
    }


def _prices(root: Path) -> dict[str, str]:
    """The table of list prices, of the genai-prices that the development dependencies pin, and that library's licence."""
    try:
        from otel_llm.pricing import build  # noqa: PLC0415 - it takes the library

        licence = metadata.distribution("genai-prices").read_text("licenses/LICENSE")
    except ImportError:
        raise Problem("the table of prices is built with genai-prices: install the development dependencies") from None
    path = root / PRICES
    former = path.read_text("utf-8") if path.is_file() else ""
    table = build.bundled(former, f"{datetime.now(timezone.utc):%Y-%m-%d}")
    return {PRICES: table, "otel_llm/pricing/prices.LICENSE": licence or ""}


def _measured(root: Path) -> dict[str, str]:
    """The pages with figures of the benchmarks."""
    path = "docs/performance.json"
    try:
        figures = json.loads((root / path).read_text("utf-8"))
        pages = {"README.md": reference.readme, "docs/comparison.md": reference.comparison}
        texts = {}
        for path, fill in pages.items():
            texts[path] = fill((root / path).read_text("utf-8"), figures)
    except KeyError as error:
        raise Problem(f"docs/performance.json has no {error}: is it of a full run of make bench?") from None
    except (OSError, ValueError) as error:
        raise Problem(f"{path}: {error}") from None
    return texts


def _spans(root: Path) -> dict[str, str]:
    path = "docs/spans.md"
    try:
        return {path: spanspage.filled((root / path).read_text("utf-8"))}
    except (OSError, ValueError) as error:
        raise Problem(f"{path}: {error}") from None


def _differs(path: Path, text: str) -> bool:
    return not path.is_file() or path.read_text("utf-8") != text


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise Problem(f"{path} cannot be written: {error.strerror}") from None
