"""The gates are the same wherever they are run: CI, ``make test``, nox, and before a commit."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MAKE = (ROOT / "Makefile").read_text(encoding="utf-8")
NOX = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
GATES = re.search(r"^test: system (.*)$", MAKE, re.MULTILINE)[1].split()


def made(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    recipe = re.search(rf"^{target}: .*\n((?:\t.*\n)+)", MAKE, re.MULTILINE)[1]
    return [line.removeprefix("\t$(BIN)/").removesuffix(" $(ARGS)") for line in recipe.splitlines()]


def noxed(session: str) -> list[str]:
    """The commands of a session of nox."""
    (function,) = [node for node in NOX.body if isinstance(node, ast.FunctionDef) and node.name == session]
    runs = [
        node for node in ast.walk(function) if isinstance(node, ast.Call) and ast.unparse(node.func) == "session.run"
    ]
    return [" ".join(part.value for part in run.args if isinstance(part, ast.Constant)) for run in runs]


@pytest.mark.parametrize("gate", [*GATES, "unit"])
def test_nox_runs_what_make_runs(gate: str) -> None:
    assert noxed(gate) == made(gate)


def test_nox_runs_all_of_it_by_itself() -> None:
    (chosen,) = [node.value for node in NOX.body if ast.unparse(node).startswith("nox.options.sessions")]
    assert ast.literal_eval(chosen) == GATES


def test_ci_runs_make_test() -> None:
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == "make test"


def test_ci_runs_rules_and_boards_on_prometheus_3_too() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))["jobs"]
    assert {name: job["steps"][-1]["run"].rpartition('" ')[2] for name, job in jobs.items()} == {
        "gate": "bash .ci/run",
        "prometheus3": "make system prometheus3",
    }


def test_before_a_commit_the_quick_gates_run() -> None:
    hooks = re.findall(r"entry: \.venv-test/bin/(.*)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [hook.replace(" --force-exclude", "") for hook in hooks] == [
        command.removesuffix(" .") for command in made("lint")
    ]
