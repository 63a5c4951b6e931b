"""The pages, the commands' help and what users read in logs, boards and alerts are in words that a newcomer knows."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
import pytest
from docs_pages import PAGES, ROOT, prose

from otel_llm.cli import app
from otel_llm.core.catalogue import METRICS
from otel_llm.core.described import described

# An idiom of this project or a word of old books; what to write in its place.
WORDS = {
    r"mend(s|ed|ing)?": "fix, correct",
    r"dear(er|est)?": "expensive",
    r"(un)?told|tell(s|ing)?": "say, show, report, distinguish",
    r"(?<!not )found": "detected, seen; or name what it is",
    r"of all that": "name it",
    r"anew": "again, from zero",
    r"hea(r|rs|rd)": "gets, knows",
    r"(cannot|could not) be had": "cannot be installed, used, imported",
    r"(what|it|they|calls?) came to|come to": "the sum of, cost",
    r"what (became|becomes) of": "the result of",
    r"comes? by": "scrapes, runs",
    r"speaks? of": "is about, names",
    r"taken for": "counted as",
    r"nobody (knows|wants)": "name who does not, or what follows from it",
    r"seldom": "rarely",
    r"(whence|thence|betimes|nought|naught|ere|withal|lest|albeit|hitherto|thereof|wherein)": "a word of today",
    r"calls out|cries wolf": "alerts",
    r"said once": "logged once",
    r"what we cannot see": "name who does not see what",
    r"but for": "except for",
    r"(go|goes|going|went) by": "uses, depends on",
    r"grave(r|st)": "worse, worst",
    r"la(y|ys|id) (at|over)": "name what is done",
    r"stands? (beside|in for|apart|against)": "is beside, replaces",
    r"heeds?": "reads, follows",
    r"(keeps?|has) its say": "decides, still takes effect",
    r"(in circles|for good|all is well|at rest|dawdles?|in earnest|as they come)": "say what happens",
}
LISTED = re.compile("|".join(rf"\b(?P<w{number}>{word})\b" for number, word in enumerate(WORDS)), re.IGNORECASE)


def complaints(text: str) -> list[str]:
    """What of the list is in ``text``, with what to write in its place."""
    meant = list(WORDS.values())
    return [f"{match[0]!r}: {meant[int((match.lastgroup or 'w0')[1:])]}" for match in LISTED.finditer(text)]


def helps(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    yield name, "\n".join([command.help or "", *(getattr(one, "help", "") or "" for one in command.params)])
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            one = command.get_command(context, child)
            assert one is not None
            yield from helps(one, f"{name} {child}")


def sentences(path: Path) -> Iterator[str]:
    """The text constants of a module that hold more than a word: log lines, titles, texts. Docstrings are for the next engineer."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body and isinstance(node.body[0], ast.Expr)
    } | {  # the sentence below an assignment
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }  # fmt: skip
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and " " in node.value
            and id(node) not in docstrings
        ):
            yield node.value


def remarks(path: Path) -> Iterator[str]:
    """The docstrings and comments of a module, without what they quote from the code."""
    with tokenize.open(path) as lines:
        for token in tokenize.generate_tokens(lines.readline):
            if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and '"""' in token.string[:4]):
                yield re.sub(r"``.*?``", "", token.string, flags=re.DOTALL)


def test_the_list_is_looked_for() -> None:
    assert complaints("What to mend, told once; the dearest. Found by ear, not found at all.") == [
        "'mend': fix, correct",
        "'told': say, show, report, distinguish",
        "'dearest': expensive",
        "'Found': detected, seen; or name what it is",
    ]


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_pages(page: Path) -> None:
    assert complaints(prose(page)) == []


def test_help_of_commands_and_metrics() -> None:
    texts = dict(helps(app.group, "otel-llm"))
    assert len(texts) > 10
    texts |= {metric.name: described(metric) for metric in METRICS}
    assert {name: faults for name, text in texts.items() if (faults := complaints(text))} == {}


def wrong(texts: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """What is complained of in ``texts`` of the package's modules, by module and beginning."""
    return {
        f"{path.relative_to(ROOT)}: {text[:60]}": faults
        for path in sorted((ROOT / "otel_llm").rglob("*.py"))
        for text in texts(path)
        if (faults := complaints(text))
    }


def test_what_users_read_in_logs_and_boards() -> None:
    assert wrong(sentences) == {}


def test_what_the_next_engineer_reads_in_docstrings_and_comments() -> None:
    assert wrong(remarks) == {}
