"""The laws of the house that a reader of the source can check."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import otel_llm
from otel_llm import clients
from otel_llm.core.guard import COMPONENTS

ROOT = Path(otel_llm.__file__).parent
ROOMS = (  # top to bottom: a room imports from itself and from those below it, for hints as well
    "__init__",
    "cli",
    "gateway",
    "ops",
    "testing",
    "middleware",
    "runtime",
    "outputs",
    "exposition",
    "cluster",
    "aggregate",
    "pricing",
    "frameworks",
    "clients",
    "reliability",
    "calls",
    "core",
)
PURE: set[str] = set()
# the distributions that a room may import beside the standard library
NEEDS: dict[str, set[str]] = {
    "__init__": PURE,
    "cli": {"*"},
    "gateway": {"opentelemetry", "google", "grpc", "starlette", "uvicorn", "zstandard"},
    "ops": {"yaml"},
    "testing": {"opentelemetry"},
    "middleware": {"opentelemetry"},
    "runtime": {"opentelemetry", "packaging"},
    "outputs": {"opentelemetry", "apprise"},
    "exposition": {"prometheus_client", "wrapt"},
    "cluster": {"prometheus_client"},
    "aggregate": PURE,
    "pricing": {"genai_prices"},
    "frameworks": {"opentelemetry"},
    "clients": PURE,
    "reliability": {"opentelemetry", "wrapt"},
    "calls": {"opentelemetry", "wrapt"},
    "core": {"yaml"},
}
FILES = sorted(ROOT.rglob("*.py"))
EXPORTS = {"probe.py", "service.py"}  # they use the public names as a host does


def module_name(path: Path) -> str:
    parts = ("otel_llm", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imports(path: Path) -> set[str]:
    """The modules of ours, and the distributions, that ``path`` imports: at its top, in functions, for hints."""
    package = module_name(path).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join((*base, *(node.module.split(".") if node.module else ())))
            submodules = {f"{module}.{alias.name}" for alias in node.names} & MODULES.keys()
            names |= submodules or {module}
    return {name if name in MODULES else name.split(".")[0] for name in names} - {module_name(path)}


def room(name: str) -> str:
    if name == "otel_llm.__main__":  # python -m otel_llm: the command line's own door
        return "cli"
    return name.split(".")[1] if "." in name else "__init__"


IMPORTS = {name: imports(path) for name, path in MODULES.items()}
GRAPH = {name: others & MODULES.keys() for name, others in IMPORTS.items()}


def test_there_are_few_rooms_at_the_top() -> None:
    assert {room(name) for name in MODULES} == set(ROOMS)
    assert len(ROOMS) - 1 <= 16


def test_imports_go_down_only() -> None:
    up = {
        (name, other)
        for name, others in GRAPH.items()
        for other in others
        if ROOMS.index(room(other)) < ROOMS.index(room(name))
    }
    assert {(name, other) for name, other in up if other != "otel_llm" or MODULES[name].name not in EXPORTS} == set()


def test_no_module_imports_itself_on_a_detour() -> None:
    TopologicalSorter(GRAPH).prepare()  # raises CycleError


def test_no_file_is_over_400_lines() -> None:
    """One that would be does several things: split it by what they are."""
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_what_foreign_code_raises_is_reported_in_one_frame() -> None:
    """Sync and async: ``with call:`` where a call is current, ``with Reporting(...)`` where none is. What is left ends no call."""
    caught = {
        f"{path.relative_to(ROOT)}: {ast.unparse(node.type)}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and node.type is not None and "BaseException" in ast.unparse(node.type)
    }
    assert caught == {
        "calls/invocation.py: BaseException",  # an interrupt on the way into ``with call:``
        "middleware/wsgi.py: BaseException",  # a host's request, which has ended then
    }


def test_a_room_needs_few_distributions() -> None:
    here = MODULES.keys() | sys.stdlib_module_names | {"otel_llm", "__future__"}
    foreign = {(name, other) for name, others in IMPORTS.items() for other in others - here}
    assert {(name, other) for name, other in foreign if not NEEDS[room(name)] & {"*", other}} == set()


def test_each_guard_names_a_component_that_metrics_show() -> None:
    named = re.compile(r'\bguard(?:ed)?\(\s*"(\w+)"')
    used = {name for path in FILES for name in named.findall(path.read_text(encoding="utf-8"))}
    assert used - {"component"} == set(COMPONENTS)  # that one stands in a docstring


def test_the_page_names_each_room_and_no_other() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("## Rooms")[1].split("\n## ")[0]
    named = {
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)/?`", row.split("|")[1])
    }
    assert named == set(ROOMS) - {"__init__"}


def test_the_page_names_files_that_are_there() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    way = page.split("## The way of a call")[1].split("## Rooms")[0]
    rooms = "|".join(ROOMS[1:])
    named = set(re.findall(rf"\b(?:{rooms})/[\w/]*(?:\.py)?", way)) - {"tests/core"}
    assert len(named) > 25
    assert {name for name in named if not (ROOT / name).exists()} == {"core/test_core_call_path.py"}


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
    for path in set((ROOT / "clients").glob("*.py")) - {ROOT / "clients" / "_modules.py"}:  # which is generated
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 150, path.name
    for name in clients.NAMES:
        declared = clients.load(name)
        assert declared.name == name
        assert declared.tested, f"{name} names no tested version"
        assert declared.operations


def test_one_entry_point_stands_for_all_libraries() -> None:
    """The loader of ``opentelemetry-instrument`` reads a distribution's metadata anew for each."""
    text = (ROOT.parent / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[project.entry-points.opentelemetry_instrumentor]")[1].split("[")[0]
    assert section.strip() == 'otel_llm = "otel_llm.runtime.distro:Instrumentor"'


def test_public_names_are_these() -> None:
    assert sorted(otel_llm.__all__) == sorted({*otel_llm._HOME, "__version__"})
    assert dir(otel_llm) == sorted(otel_llm.__all__)
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


def test_names_and_comments_say_what_a_thing_is() -> None:
    """Not that somebody ``found``, ``told``, has ``seen`` or ``heard`` it: such a name hides whether it is a usage, a series or a cell."""
    vague = re.compile(r"(?<![a-zA-Z0-9])_*(?:un)?(?:found|told|said)(?![a-zA-Z0-9])")
    names = {
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if vague.search(re.sub(r"not_found", "", line))
    }
    senses = re.compile(r"_*(?:seen|hea(?:r|rs|rd|ring)|tell(?:s|ing)?)", re.IGNORECASE)
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in _names_made(node):
                if senses.fullmatch(name) and name != "SEEN":  # the record whose name is public
                    names.add(f"{path.relative_to(ROOT)}: {name}")
    assert names == set()


# How often names of these are given, at most: as a participle for whatever it is, each hides what a thing is. Fewer is fine.
PARTICIPLES = {"asked": 39, "kept": 26, "known": 52, "made": 36, "shown": 21}


def test_names_that_only_say_what_was_done_do_not_become_more() -> None:
    """Name what it holds (``conditions``, ``by_modality``), and lower the number that you have beaten."""
    counts = Counter(
        name.strip("_")
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _names_made(node)
        if name.strip("_") in PARTICIPLES
    )
    assert {name: count for name, count in counts.items() if count > PARTICIPLES[name]} == {}


def _names_made(node: ast.AST) -> tuple[str, ...]:
    """The names that a node of the tree gives to something."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return (node.id,)
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return (node.attr,)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return (node.name,)
    return (node.arg,) if isinstance(node, ast.arg) else ()
