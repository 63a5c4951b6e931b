"""Which versions of a library are watched: as packaging says, which is imported only for what is not plain."""

from __future__ import annotations

import sys

import pytest

from otel_llm import clients
from otel_llm.runtime import versions

VERSIONS = (
    "0", "0.0.120", "0.9.9", "1", "1.0", "1.0.0", "1.0.1", "1.26", "1.26.0", "1.9", "2", "2.0.0", "2.0.1", "3.57.0", "10.2",
    "2.0rc1", "1.26.dev3", "1.0.post1", "1!2.0", "1.0+local", "v1.0",
)  # fmt: skip
REQUIRED = (
    ">=1.0",
    ">=1.26",
    ">=1.0,<2",
    "<2",
    ">=0.0.120,<1",
    ">=10,<11",
    ">=1.0.0b4",
    "==1.0",
    "~=1.0",
    "!=2.0",
    ">= 1.0, < 2",
)


@pytest.mark.parametrize("required", REQUIRED)
@pytest.mark.parametrize("version", VERSIONS)
def test_as_packaging_says(version: str, required: str) -> None:
    assert versions.within(version, required) is versions.by_packaging(version, required)


def test_nothing_required_takes_all() -> None:
    assert versions.within("anything", "")


@pytest.mark.parametrize("bad", ["", "1..2", "one", "1.²"])
def test_no_version_is_refused_as_packaging_does(bad: str) -> None:
    with pytest.raises(ValueError, match="nvalid version"):
        versions.within(bad, ">=1.0")


def test_plain_versions_import_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packaging.specifiers", None)
    declared = [clients.load(name) for name in clients.NAMES]
    plain = [library for library in declared if "b" not in library.requires]
    assert len(plain) >= len(declared) - 1
    for library in plain:
        assert not versions.within("0.0.1", library.requires) or not library.requires
