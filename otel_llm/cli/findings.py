"""The findings of a check, one line each, for people and for scripts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from rich.table import Table
from rich.text import Text

from .terminal import put
from .theme import AMBER, DIM, GREEN, HINT, INK, RED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

Status = Literal["ok", "note", "warn", "fail"]
_STYLE = {"ok": ("ok", GREEN), "note": ("--", DIM), "warn": ("!!", AMBER), "fail": ("XX", RED)}
_FANCY = {"ok": "✓", "note": "·", "warn": "▲", "fail": "✗"}


@dataclass(frozen=True, slots=True)
class Finding:
    """``says`` is the finding in words, ``remedy`` what to do about it (empty where nothing is to be done)."""

    status: Status
    topic: str
    says: str
    remedy: str = ""


def some(names: list[str], limit: int = 4) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def show(console: Console, title: str, findings: Iterable[Finding], *, fancy: bool) -> None:
    """A heading and a line per finding, its remedy below it."""
    grid = Table.grid(padding=(0, 1), pad_edge=True)
    for _ in range(3):
        grid.add_column()
    for finding in findings:
        mark, colour = _STYLE[finding.status]
        grid.add_row(
            Text(_FANCY[finding.status] if fancy else mark, colour), Text(finding.topic, DIM), Text(finding.says, INK)
        )
        if finding.remedy:
            grid.add_row("", "", Text(finding.remedy, HINT if finding.status == "ok" else AMBER))
    console.print(Text(title, f"bold {INK}"))
    put(console, grid)


def verdict(findings: Iterable[Finding]) -> tuple[str, str]:
    """The words and the colour that sum it up."""
    statuses = [finding.status for finding in findings]
    failed, warned = statuses.count("fail"), statuses.count("warn")
    if failed:
        return f"{failed} to fix" + (f", {warned} to look at" if warned else ""), RED
    return (f"all in order, {warned} to look at", AMBER) if warned else ("all in order", GREEN)


def to_json(parts: dict[str, list[Finding]], **more: Any) -> str:
    """The same for a script; ``ok`` is false where something failed."""
    every = [finding for findings in parts.values() for finding in findings]
    facts = {name: [asdict(finding) for finding in findings] for name, findings in parts.items()}
    return json.dumps({"ok": all(finding.status != "fail" for finding in every), **facts, **more}, indent=2)
