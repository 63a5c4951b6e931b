"""The pages, and what is in them: code blocks, commands, links, headings."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(
    r"^(?:<!-- (?:not run: (?P<why>[^\n]+)|run by (?P<by>[^\n]+)) -->\n+)?```(?P<kind>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A code block. ``skipped`` is the reason that the page gives for not running it, in a comment before it; ``by`` what else runs it."""

    page: Path
    line: int
    kind: str
    code: str
    skipped: str
    by: str = ""

    @property
    def id(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*kinds: str) -> list[Block]:
    """All code blocks of these kinds, in all pages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start("code")) + 1
            found.append(Block(page, line, match["kind"], match["code"], match["why"] or "", match["by"] or ""))
    return [block for block in found if block.kind in kinds]


def commands(program: str) -> list[tuple[str, list[str]]]:
    """Where a page's shell block calls ``program``, and with which arguments; what follows a pipe is left away."""
    found = []
    for block in blocks("sh", "console", "bash"):
        if block.skipped:
            continue
        for line in block.code.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words[:1] == [program]:
                arguments = words[1 : words.index("|")] if "|" in words else words[1:]
                found.append((f"{block.id} {' '.join(arguments)}", arguments))
    return found


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip()))
    return found


def sections(page: Path) -> list[str]:
    """A page's parts, each from a heading of the second level to the next."""
    return re.split(r"^(?=## )", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
