"""``otel-llm prices --build``: a table newer than that of the package, compiled into the environment."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from otel_llm.cli.prices import command
from otel_llm.pricing import sources, update
from otel_llm.pricing.table import Table


def test_the_table_lies_where_every_process_of_the_environment_reads_it(disk, monkeypatch, of_day):
    newer = of_day("2027-01-02", lambda text: text.replace('"input_mtok":2.5', '"input_mtok":2.0'))
    monkeypatch.setattr(update, "_run_child", lambda *_: newer)
    done = CliRunner().invoke(command, ["--build"])
    path = disk / "share" / sources.BUILT
    assert (done.exit_code, done.output) == (0, f"{path}\n")
    assert path.read_text() == newer
    assert path.stat().st_mode & 0o444 == 0o444
    assert sources.newest().made == Table(newer).made == sources.newest_date()


def test_a_genai_prices_older_than_the_table_of_the_package_is_not_taken(disk, monkeypatch):
    monkeypatch.setattr(update, "_installed", lambda: "0.1.9")
    done = CliRunner().invoke(command, ["--build"])
    assert "genai-prices 0.1.9 is older than the prices of otel-llm itself" in str(done.exception) + done.output


@pytest.mark.parametrize("text", ["", "{}", "half"])
def test_what_cannot_be_built_is_said(disk, monkeypatch, text):
    monkeypatch.setattr(update, "_run_child", lambda *_: text)
    done = CliRunner().invoke(command, ["--build"])
    assert done.exit_code != 0
    assert "the table of prices cannot be built" in str(done.exception) + done.output
    assert not (disk / "share").exists()


def test_a_place_that_cannot_be_written(disk, monkeypatch, table_text):
    monkeypatch.setattr(sources, "environment_place", lambda: sources.Path("/proc/nowhere"))
    monkeypatch.setattr(update, "_run_child", lambda *_: table_text)
    with pytest.raises(update.UnavailableError, match="cannot write to /proc/nowhere"):
        update.build()


def test_without_the_library_the_extra_is_named(disk, monkeypatch):
    monkeypatch.undo()

    def missing(name):
        raise update.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(update.importlib.metadata, "version", missing)
    with pytest.raises(
        update.UnavailableError, match=r"genai-prices is not installed: pip install 'otel-llm\[prices\]'"
    ):
        update.build(disk)


def test_the_child_compiles_the_installed_prices(disk):
    path = update.build(disk / "own")
    assert "openai" in Table(path.read_text()).check()


def test_a_child_that_fails_is_quoted_by_its_last_line(monkeypatch):
    monkeypatch.setattr(update, "_CHILD", "raise SystemExit('no such library')")
    with pytest.raises(update.UnavailableError, match="failed: no such library"):
        update._run_child()
    monkeypatch.setattr(update, "_python", lambda: "/nonexistent/python3")
    with pytest.raises(update.UnavailableError, match="could not run"):
        update._run_child()


def test_which_python_runs_the_child(monkeypatch):
    monkeypatch.setattr(update.sys, "executable", "/usr/bin/uwsgi")  # a server with Python inside
    assert update.Path(update._python()).name.startswith("python")
    monkeypatch.setattr(update.sys, "frozen", True, raising=False)
    with pytest.raises(update.UnavailableError, match="no Python interpreter"):
        update._python()
