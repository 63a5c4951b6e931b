"""The status page: from the facts of ``/status.json`` to HTML, without a request to anybody and readable without JavaScript."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from pathlib import Path
from typing import Any

from . import judgement, tables, tiles, work
from .marks import MARKS

_FOLDER = Path(__file__).parent
STYLE = (_FOLDER / "page.css").read_text("utf-8")
SCRIPT = (_FOLDER / "page.js").read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: nothing but what stands in it, and itself once more."""

_ICONS = {
    "critical": "%3Cpath fill='%23b3261e' d='M1 1h8v8H1z'/%3E",
    "warning": "%3Cpath fill='%23855000' d='M5 1l4 8H1z'/%3E",
    "": "%3Ccircle cx='5' cy='5' r='3.5' fill='none' stroke='%238a92a0' stroke-width='1.5'/%3E",
}
DOCS = "https://github.com/otel-llm/otel-llm/blob/main/docs/status-page.md"


def render(facts: dict[str, Any], *, sort: str = "", everything: bool = False, base: str = "", view: str = "") -> bytes:
    """The page of ``facts``, which are those of ``/status.json``.

    ``sort`` is ``worst``, ``name`` or a column of the models; ``everything`` leaves no row out; ``base`` is the path that the
    page's links are under, without a slash at its end. ``view`` is one of ``work.VIEWS``.
    """
    icon = f"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 10 10'%3E{_ICONS[judgement.level(facts)]}%3C/svg%3E"
    css = ' class="is-old"' if facts["fresh"] == "old" else ""
    lower = (
        f'<div class="wide">{tables.models(facts, sort, everything=everything)}{tables.panels(facts)}'
        f"{tables.failures(facts, everything=everything)}</div>"
    )
    view = view if view in work.VIEWS and work.has_work(facts) else "service"
    if view == "agents":
        lower = f'<div class="wide whole">{work.work(facts)}</div>'
    elif not facts["models"] and not facts["totals"]["calls_hour"]:
        lower = ""
    base = escape(base)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="referrer" content="no-referrer"><title>{judgement.title(facts)}</title><link rel="icon" href="{icon}">'
        f'<style>{STYLE}</style></head><body{css} data-schema="{facts["schema"]}">{MARKS}{judgement.header(facts)}'
        f"<main>{judgement.verdict(facts)}{tiles.tiles(facts)}{tiles.hour(facts)}{work.tabs(facts, view)}{lower}</main>"
        f'<footer class="soft"><a href="{base}/metrics">raw metrics</a><a href="{base}/status.json">status.json</a>'
        f'<a href="{DOCS}">how to read this</a><span>numbers: last 5 min unless noted · charts: last hour</span></footer>'
        f"<script>{SCRIPT}</script></body></html>"
    ).encode()
