"""The laws of the house that a reader of the source can check."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

import otel_llm
from otel_llm import providers
from otel_llm.guard import COMPONENTS

ROOT = Path(otel_llm.__file__).parent
PURE: set[str] = set()
OTEL = {"opentelemetry"}
CALL = {
    "model",
    "catalogue",
    "config",
    "guard",
    "hub",
    "errors",
    "context",
    "invocation",
    "semconv",
    "tally",
    "provider",
}
# room -> rooms and distributions it may import, beside the standard library and itself
MAY: dict[str, set[str]] = {
    "__init__": {"version", "alerts", "context", "public", "runtime", "signals", "observing"},
    "version": PURE,
    "natives": PURE,
    "model": PURE,
    "catalogue": PURE,
    "config": {"catalogue"},
    "guard": PURE,
    "errors": {"catalogue"},
    "window": PURE,
    "hub": {"model", "guard"},
    "tally": {"model"},
    "provider": {"model"},
    "providers": {"model", "provider"},
    "context": {"invocation", *OTEL},
    "semconv": {"model", "catalogue"},
    "invocation": CALL,
    "streams": {"context", "invocation", "model", "provider", "guard", "wrapt"},
    "sessions": {"context", "guard", "invocation", "model", "provider"},
    "intercept": {"context", "guard", "invocation", "model", "provider", "sessions", "streams", "wrapt"},
    "content": {"model", "config", "guard", "invocation"},
    "document": {"yaml"},
    "pricing": {"model", "config", "guard", "document", "genai_prices"},
    "budgets": {"document", "window"},
    "spendfile": PURE,
    "signals": {*CALL, "intercept", "wrapt", "alerts", *OTEL},
    "sinks": {*CALL, "store", "version", *OTEL},
    "store": {"model", "catalogue", "config", "guard", "natives", "window", "version"},
    "export": {
        "model",
        "catalogue",
        "config",
        "guard",
        "natives",
        "store",
        "window",
        "spendfile",
        "version",
        "prometheus_client",
        "wrapt",
    },
    "alerts": {"guard", "window"},
    "notify": {"config", "alerts", "apprise"},
    "others": PURE,
    "runtime": {"*"},
    "distro": {"config", "guard", "providers", "runtime", *OTEL},
    "public": {"export", "runtime", "window"},
    "middleware": {"context", "guard", "hub", "model", "runtime", "tally", *OTEL},
    "observing": {*CALL, "intercept", "wrapt"},
    "testing": {*CALL, "observing", "providers", "intercept", "sinks", "signals", *OTEL},
    "loopback": PURE,
    "ops": {"catalogue", "config", "provider", "providers", "signals", "grafana_foundation_sdk"},
    "cli": {"*"},
}
WIRING_MUST_NOT = {"cli", "ops", "loopback"}


def imports(path: Path) -> set[str]:
    """First names of what ``path`` imports: rooms of ours, or distributions."""
    here = ("otel_llm", *path.relative_to(ROOT).with_suffix("").parts)
    package = here if path.name == "__init__.py" else here[:-1]
    package = package[:-1] if path.name == "__init__.py" else package
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *(node.module.split(".") if node.module else ())))
            names = [f"{module}.{alias.name}" if module == "otel_llm" else module for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            found.add(parts[1] if parts[0] == "otel_llm" and len(parts) > 1 else parts[0])
    return found - sys.stdlib_module_names - {"otel_llm", "__future__"}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    here = room(path)
    assert here in MAY, f"{here} is a new room: say here what it may import"
    allowed = MAY[here]
    found = imports(path) - {here}
    if "*" in allowed:
        assert here == "cli" or not found & WIRING_MUST_NOT
    else:
        assert found <= allowed, f"{path} imports {sorted(found - allowed)}"


def test_each_guard_names_a_component_that_metrics_show() -> None:
    named = re.compile(r'\bguard(?:ed)?\(\s*"(\w+)"')
    used = {name for path in FILES for name in named.findall(path.read_text(encoding="utf-8"))}
    assert used - {"component"} == set(COMPONENTS)  # that one stands in a docstring


def test_the_page_names_each_room_and_no_other() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("## Rooms")[1].split("`export/` is")[0]
    named = {
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)/?`", row.split("|")[1])
    }
    assert named == MAY.keys() - {"__init__"}


def test_nothing_imports_the_command_line() -> None:
    assert [path for path in FILES if room(path) != "cli" and "cli" in imports(path)] == []


def test_blind_excepts_are_in_the_guard_only() -> None:
    blind = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                kinds = (
                    {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
                    if node.type
                    else {"Exception"}
                )
                swallows = not any(isinstance(child, ast.Raise) for child in ast.walk(node))
                if kinds & {"Exception", "BaseException"} and swallows:
                    blind.append(path.name)
    assert set(blind) <= {"guard.py"}


def test_the_environment_is_read_in_config_only() -> None:
    readers = {
        path.name
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _reads_environment(node)
    }
    assert readers <= {"config.py"}


def _reads_environment(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and isinstance(node.value, ast.Name)


def test_a_provider_is_a_declaration() -> None:
    for path in (ROOT / "providers").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 150, path.name
    for name in providers.NAMES:
        declared = providers.load(name)
        assert declared.name == name
        assert declared.tested, f"{name} names no tested version"
        assert declared.operations


def test_each_library_has_its_entry_point() -> None:
    text = (ROOT.parent / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[project.entry-points.opentelemetry_instrumentor]")[1].split("[")[0]
    declared = dict(line.split(" = ") for line in section.strip().splitlines())
    assert declared == {f"otel_llm_{name}": f'"otel_llm.distro:{name}"' for name in providers.NAMES}


def test_public_names_are_these() -> None:
    assert sorted(otel_llm.__all__) == sorted({*otel_llm._HOME, "__version__"})
    for name in otel_llm.__all__:
        assert getattr(otel_llm, name) is not None


def test_importing_the_package_is_cheap() -> None:
    import subprocess

    code = (
        "import sys, otel_llm; heavy = {'opentelemetry', 'prometheus_client', 'wrapt', 'asyncio'};"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
