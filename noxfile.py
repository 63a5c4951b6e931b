"""The same as CI (``make test``), on every Python that is installed: ``nox``, or ``nox -s lint``."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "docs", "package", "covered", "matrix", "printed"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
EXTRAS = ".[cli,yaml,notify,otlp]"


def install(session: nox.Session) -> None:
    """What ``make`` installs, and uv for those who make environments of their own."""
    session.install("-e", EXTRAS, "uv", *nox.project.dependency_groups(PROJECT, "dev"))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, generated files."""
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("otel-llm", "generate", "--check")


@nox.session
def printed(session: nox.Session) -> None:
    """Every shell block of README and docs as printed, in an environment that has what its page installs."""
    install(session)
    session.run("python", "tests/printed.py")


@nox.session
def docs(session: nox.Session) -> None:
    """The site, strict."""
    install(session)
    session.run("mkdocs", "build", "--strict", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def package(session: nox.Session) -> None:
    """Build, check, install into a fresh environment without extras, and use there what would be published."""
    install(session)
    session.run("python", "tests/package.py")


@nox.session(python=PYTHONS)
def covered(session: nox.Session) -> None:
    """All tests and the floors of coverage, on each Python."""
    install(session)
    session.run("python", "-m", "pytest", "-n", "4", "--cover")
    session.run("python", "tests/covered.py")


@nox.session(python=PYTHONS)
def unit(session: nox.Session) -> None:
    """Some tests, on each Python: ``nox -s unit -- tests/contract``."""
    install(session)
    session.run("python", "-m", "pytest", "-n", "4", *session.posargs)


@nox.session
def matrix(session: nox.Session) -> None:
    """The oldest client libraries, and frameworks that pin theirs, each in an environment of its own."""
    install(session)
    session.run("python", "tests/matrix.py", *session.posargs)
