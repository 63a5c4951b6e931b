"""The public names' types, held by mypy as a user with ``--strict`` would run it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import otel_llm

CODE = Path(__file__).with_name("public_api.py")


def test_mypy_agrees() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary", str(CODE)],
        cwd=CODE.parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (checked.stdout, checked.returncode) == ("", 0)


def test_every_public_name_is_in_it() -> None:
    code = CODE.read_text(encoding="utf-8")
    used = {name for name in otel_llm.__all__ if re.search(rf"\b{name}\b", code)}
    assert used >= set(otel_llm.__all__)


def test_types_are_shipped() -> None:
    assert (Path(otel_llm.__file__).parent / "py.typed").exists()
