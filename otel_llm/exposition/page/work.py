"""The tab of agents and tools, and the links that lead to it: they work without JavaScript and by keyboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .marks import mark
from .words import dollars, name, number, percent, seconds

Facts = Mapping[str, Any]
VIEWS: Mapping[str, str] = {"service": "Service", "agents": "Agents and tools"}
_AGENTS = ("agent", "runs", "failed", "cost", "mean s", "runs", "failed", "a run costs")
_TOOLS = ("tool", "calls", "failed", "mean s", "calls", "failed", "repeated")


def has_work(facts: Facts) -> bool:
    """Whether there is anything to show."""
    return bool(facts.get("agents") or facts.get("tools"))


def tabs(facts: Facts, view: str) -> str:
    """Links between the views, where there is more than one."""
    if not has_work(facts):
        return ""
    links = (
        f'<li><a href="?view={key}"{" aria-current=page" if key == view else ""}>{title}</a></li>'
        for key, title in VIEWS.items()
    )
    return f'<nav class="tabs" aria-label="Views"><ul>{"".join(links)}</ul></nav>'


def work(facts: Facts) -> str:
    """Agents and tools: since the start, and in the last 15 minutes."""
    level = levels(facts["conditions"])
    agents = [
        (
            name(one["name"]), number(one["runs"]), percent(one["failed"]), dollars(one["cost"]), seconds(one["mean_s"]),
            number(one["last"]["runs"]), mark(level.get(("agent", one["name"]), ""), percent(one["last"]["failed"])),
            mark(level.get(("run_cost", one["name"]), ""), dollars(one["last"]["run_cost"])),
        )
        for one in facts.get("agents") or ()
    ]  # fmt: skip
    tools = [
        (
            name(one["name"]), number(one["runs"]), percent(one["failed"]), seconds(one["mean_s"]), number(one["last"]["runs"]),
            mark(level.get(("tool", one["name"]), ""), percent(one["last"]["failed"])),
            mark(level.get(("runaway", one["name"]), ""), number(one["repeats"])),
        )
        for one in facts.get("tools") or ()
    ]  # fmt: skip
    return _table("Agents", _AGENTS, agents, 4) + _table("Tools", _TOOLS, tools, 3)


def levels(conditions: Sequence[Facts]) -> dict[tuple[str, str], str]:
    """The level of each open condition of an agent or tool, folded ones included."""
    by_whom: dict[tuple[str, str], str] = {}
    for one in conditions:
        by_whom.update(levels(one["folded"]))
        whom = one["key"].get("tool") or one["key"].get("agent")
        if whom and one["level"] in ("warning", "critical"):
            by_whom[one["id"], whom] = one["level"]
    return by_whom


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], since_start: int) -> str:
    """``since_start`` columns of numbers are of all time, those after them of the last 15 minutes."""
    if not rows:
        return ""
    spans = ["since the start"] * since_start + ["last 15 min"] * (len(columns) - 1 - since_start)
    titles = [columns[0], *(f"{column}, {span}" for column, span in zip(columns[1:], spans, strict=True))]
    group = '<th class="n" role="columnheader" scope="colgroup" colspan="{}">{}</th>'
    of_time = group.format(since_start, "since the start") + group.format(len(columns) - 1 - since_start, "last 15 min")
    groups = f'<tr role="row"><td role="cell"></td>{of_time}</tr>'
    heads = "".join(
        f'<th scope="col" role="columnheader"{" class=n" if place else ""}>{column}</th>'
        for place, column in enumerate(columns)
    )
    body = "".join(
        f'<tr role="row"><th scope="row" role="rowheader">{row[0]}</th>'
        + "".join(
            f'<td class="n" role="cell" data-name="{title}">{cell}</td>'
            for title, cell in zip(titles[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<section><div class="head"><h2>{title}</h2></div><table class="stack" role="table" aria-label="{title}">'
        f'<thead role="rowgroup">{groups}<tr role="row">{heads}</tr></thead><tbody role="rowgroup">{body}</tbody></table></section>'
    )
