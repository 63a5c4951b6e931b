"""``otel-llm generate``: the repository's generated files, rewritten or checked by what its ``tools/`` hold."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from .problems import Problem

HELP = """Rewrite the files of this repository that are made from code: rules, dashboards, reference documents.

\b
  otel-llm generate           after a change of catalogue, configuration, objectives or declarations
  otel-llm generate --check   in CI: exit code 1 and the names of the files that would change

For who works on otel-llm itself; run it at the repository's top level.
"""
_CLONE = Path(__file__).resolve().parents[2]


@click.command("generate", help=HELP)
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if a file would change.")
@click.option("--root", type=click.Path(path_type=Path), default=Path(), help="The repository.  [default: here]")
def command(*, check: bool, root: Path) -> None:
    if not (root / "otel_llm" / "core" / "catalogue.py").is_file():
        raise Problem(f"{root.resolve()} is not the repository of otel-llm: run it at its top level, or give --root")
    if not (_CLONE / "tools" / "generate").is_dir():
        raise Problem("this otel-llm was installed without its tools/: install the clone itself, pip install -e .")
    sys.path.insert(0, str(_CLONE))
    importlib.import_module("tools.generate.files").run(root, check=check)
