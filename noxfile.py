"""The same as CI, on every Python that is installed: ``nox``, or ``nox -s lint``."""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "tests", "matrix", "docs", "package"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
EXTRAS = ".[cli,yaml,notify,otlp]"


def group(name: str) -> list[str]:
    """What a dependency group of pyproject.toml names, groups within it included."""
    return list(nox.project.dependency_groups(PROJECT, name))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, generated files."""
    session.install("-e", EXTRAS, *group("dev"))
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("otel-llm", "generate", "--check")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests, on one Python."""
    session.install("-e", EXTRAS, *group("dev"))
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadgroup", *session.posargs)


@nox.session
def matrix(session: nox.Session) -> None:
    """The oldest client libraries, and frameworks that pin theirs, each in an environment of its own."""
    session.install("-e", EXTRAS, *group("dev"))
    session.run("python", "tests/matrix.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The site, strict."""
    session.install(*group("docs"))
    session.run("mkdocs", "build", "--strict", "--site-dir", session.create_tmp())


@nox.session
def package(session: nox.Session) -> None:
    """Build, check, and install what would be published into an environment without any extra."""
    session.install("build", "twine")
    built = Path(session.create_tmp()) / "dist"
    session.run("python", "-m", "build", "--outdir", str(built))
    session.run("twine", "check", "--strict", *map(str, built.iterdir()))
    session.install("--force-reinstall", *map(str, built.glob("*.whl")))
    session.run("opentelemetry-instrument", "python", "-c", "import otel_llm; print(otel_llm.__version__)")
    session.run("otel-llm", "--help", success_codes=[2])  # says which extra it needs
