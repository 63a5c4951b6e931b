"""The contributor's page, followed: a library that nobody knows, from nothing to green."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docs_pages import ROOT, commands

TOY = Path(__file__).with_name("toy")
((_, SCAFFOLD),) = [(where, words) for where, words in commands("python") if "tools.new_provider" in words]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the scaffold and the contract suite need of the repository."""
    for part in ("otel_llm", "tests/support"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("tools/__init__.py", "tools/new_provider.py", "tests/contract/conftest.py", "pyproject.toml"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / part, tmp_path / part)
    return tmp_path


def run(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    around = {**os.environ, "PYTHONPATH": f"{clone}{os.pathsep}{TOY}", "NO_PROXY": "127.0.0.1,localhost"}
    around.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, *arguments], cwd=clone, env=around, capture_output=True, text=True, check=False
    )


def test_the_page_as_written_ends_green(clone: Path) -> None:
    written = run(clone, *SCAFFOLD)
    assert (written.returncode, written.stderr) == (0, "")
    assert '    "toy",\n' in (clone / "otel_llm/clients/__init__.py").read_text()
    for tool in (("ruff", "check"), ("mypy", "--strict", "--follow-imports=silent")):
        checked = run(clone, "-m", *tool, "otel_llm/clients/toy.py")
        assert checked.returncode == 0, checked.stdout + checked.stderr
    contract = run(
        clone, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests/contract/test_contract_toy.py"
    )
    assert contract.returncode == 0, contract.stdout
    assert " passed" in contract.stdout
    again = run(clone, *SCAFFOLD)
    assert (again.returncode, again.stderr) == (2, "new_provider: otel_llm/clients/toy.py is there already\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("Toy!", "--package", "toyllm"), "'Toy!' is no module's name: lower case letters, digits and _"),
        (("toy", "--package", "nowhere_at_all"), "nowhere_at_all cannot be imported here"),
        (
            ("toy", "--package", "toyllm", "--distribution", "toy-llm-python"),
            "toy-llm-python is not installed here: install it, or name it with --distribution",
        ),
    ],
)  # fmt: skip
def test_bad_input_writes_nothing(clone: Path, arguments: tuple[str, ...], told: str) -> None:
    before = (clone / "pyproject.toml").read_text()
    ran = run(clone, "-m", "tools.new_provider", *arguments)
    assert (ran.returncode, ran.stderr) == (2, f"new_provider: {told}\n")
    assert not (clone / "otel_llm" / "clients" / "toy.py").exists()
    assert (clone / "pyproject.toml").read_text() == before


def test_a_library_with_openai_s_base_is_known_by_it(clone: Path) -> None:
    written = run(
        clone,
        "-m",
        "tools.new_provider",
        "groq_again",
        "--package",
        "groq",
        "--client",
        "Groq",
        "--async-client",
        "AsyncGroq",
    )
    assert (written.returncode, written.stderr) == (0, "")
    assert 'hooks=hooks("groq", describer("groq_again"))' in (clone / "otel_llm/clients/groq_again.py").read_text()
