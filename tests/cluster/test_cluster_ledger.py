"""The ledger on disk: every call once, whatever was killed when; and the report on it."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner
from cluster_lab import call, crash, samples, until

from otel_llm.aggregate.ledger_rows import FIELDS, Batch
from otel_llm.aggregate.spenders import Spenders
from otel_llm.cli import report
from otel_llm.cluster import ledgerfile, ledgerview, spenderview, spendfile, spendkeeper, statedir
from otel_llm.core.config import Config

DAY = date(2026, 11, 28)


def batch(number, cost=1.0, day=DAY, model="gpt-5", maker="a", **labels):
    values = tuple({"calls": 1.0, "cost_usd": cost}.get(field, 0.0) for field in FIELDS)
    return Batch(maker, number, (((day.toordinal(), "openai", model, tuple(labels.items())), values),))


def money(path, first=date(1, 1, 1), last=date(9999, 1, 1)):
    return {
        (row.day, row.model, *row.labels.items()): row.values["cost_usd"]
        for row in ledgerfile.read(path, first, last)[0]
    }


class TestFile:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "ledger.sqlite"

    def test_a_batch_is_added_once(self, path):
        assert ledgerfile.read(path, DAY, DAY) == ([], {})
        for batches in (
            [batch(1)],
            [batch(1), batch(2, 0.5, tenant="acme")],
            [batch(2, 0.5, tenant="acme")],
            [batch(1, maker="b")],
        ):
            ledgerfile.apply(path, batches, DAY)
        assert money(path) == {(DAY, "gpt-5"): 2.0, (DAY, "gpt-5", ("tenant", "acme")): 0.5}
        assert ledgerfile.read(path, DAY, DAY)[1] == {"a": 2, "b": 1}
        assert path.stat().st_mode & 0o777 == 0o600

    def test_what_is_old_is_forgotten(self, path):
        days = [DAY - timedelta(days=back) for back in (401, 400, 0)]
        ledgerfile.apply(path, [batch(number, day=day) for number, day in enumerate(days, 1)], DAY)
        assert {key[0] for key in money(path)} == set(days[1:])

    def test_a_day_has_so_many_rows_and_loses_no_money(self, path, monkeypatch):
        monkeypatch.setattr(ledgerfile, "MOST_ROWS", 2)
        ledgerfile.apply(path, [batch(number, tenant=f"t{number % 4}") for number in range(1, 9)], DAY)
        found = money(path)
        assert found[DAY, "_other", ("tenant", "_other")] == 4.0
        assert sum(found.values()) == 8.0

    def test_a_damaged_file_is_put_aside(self, path, caplog):
        path.write_bytes(b"no database" * 500)
        ledgerfile.apply(path, [batch(1)], DAY)
        assert money(path) == {(DAY, "gpt-5"): 1.0}
        assert path.with_name("ledger.sqlite.damaged").exists()
        assert "is damaged" in caplog.text

    def test_a_file_that_another_writes_just_now_is_tried_again(self, path, monkeypatch):
        ledgerfile.apply(path, [batch(1)], DAY)
        connect = sqlite3.connect
        monkeypatch.setattr(
            ledgerfile.sqlite3, "connect", lambda *args, **more: connect(*args, **{**more, "timeout": 0})
        )
        other = connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError):
            ledgerfile.apply(path, [batch(2)], DAY)
        other.close()
        assert money(path) == {(DAY, "gpt-5"): 1.0}


def spent(config):
    today = datetime.now(timezone.utc).date()
    rows = ledgerview.read(config, today - timedelta(days=1), today + timedelta(days=1))
    return sum(row.values["calls"] for row in rows), sum(row.values["cost_usd"] for row in rows)


def database(config: Config) -> Path:
    return statedir.base(config) / statedir.LEDGER


def test_calls_count_at_once_and_once_over_writes_and_kills(worker, config, monkeypatch):
    one = worker()
    for number in range(1, 4):
        one.append(call(cost=0.5, cost_source="prices"))
        assert spent(config) == (number, 0.5 * number)
        monkeypatch.setattr(spendkeeper, "SAVE_SECONDS", 0.0)
        one._round()  # sealed, kept, written
        monkeypatch.setattr(spendkeeper, "SAVE_SECONDS", 60.0)
        assert sum(money(database(config)).values()) == 0.5 * number
        assert spent(config) == (number, 0.5 * number)
    one.append(call(cost=0.25, cost_source="prices"))
    crash(one)
    assert spent(config) == (4, 1.75)  # by what it left behind
    other = worker()
    other._round()
    assert spent(config) == (4, 1.75)
    other.append(call(cost=0.25, cost_source="prices"))
    other.stop()
    assert sum(money(database(config)).values()) == 2.0
    assert spent(config) == (5, 2.0)


@pytest.mark.parametrize("moment", ["before the checkpoint", "before the file", "before it is forgotten"])
def test_a_kill_while_the_ledger_is_written_counts_nothing_twice(worker, config, monkeypatch, moment):
    one = worker()
    one.append(call(cost=0.5, cost_source="prices"))
    one._round()
    leadership = one._role.leadership
    leader, keeper = leadership.consumer, leadership._spend
    if moment == "before the checkpoint":
        leader.store.seal_ledger()
    else:
        keeper.seal(leader, now=True)
    if moment == "before it is forgotten":
        ledgerfile.apply(database(config), keeper._batches, DAY)
    crash(one)
    assert spent(config) == (1, 0.5)
    other = worker()
    other.append(call(cost=0.25, cost_source="prices"))
    assert spent(config) == (2, 0.75)
    other.stop()
    assert spent(config) == (2, 0.75)


def test_the_ledger_equals_the_counters_whoever_is_killed(service):
    """Two workers, one of which leads, are killed in mid-traffic, and in the end the whole service at once."""
    service.environment |= {"SERVICE_INSTRUMENTS_ITSELF": "1", "SERVICE_CALL_USD": "0.5"}
    where = ("-b", f"127.0.0.1:{service.port}", "--no-control-socket")
    command = ("gunicorn", *where, "-w", "2", "service_app:wsgi")
    service.start(*command, instrument=False)
    service.ready()
    settings = Config(port=service.metrics_port, state_dir=service.environment["OTEL_LLM_STATE_DIR"])
    shown = 0
    for _ in range(2):
        victims = service.workers()
        with ThreadPoolExecutor(1) as traffic:
            sending = traffic.submit(service.send, 40)
            until(lambda before=shown: service.calls() > before + 5)
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            sending.result()
        shown = service.calls()
    counters = samples(service.metrics())
    money = sum(value for key, value in counters.items() if key[0] == "otel_llm_cost_usd_total")
    assert shown > 10
    assert (money, spent(settings)) == (0.5 * shown, (shown, 0.5 * shown))
    os.killpg(service.process.pid, signal.SIGKILL)
    service.process.wait(15)
    assert spent(settings) == (shown, 0.5 * shown)  # by what it left behind
    service.start(*command, instrument=False)
    service.ready()
    assert service.send(10) == 10
    assert spent(settings) == (shown + 10, 0.5 * (shown + 10))


def test_top_spenders_outlive_kills_and_restarts(worker, config):
    def amounts():
        found = spenderview.read(config).top(f"{datetime.now(timezone.utc):%Y-%m}", 5)
        return {one.value: one.amount for one in found.get("user", ())}

    assert amounts() == {}
    one = worker()
    one.append(call(cost=0.5, cost_source="prices", spenders=(("user", "#a"),)))
    assert amounts() == {"#a": 0.5}  # of the process that leads
    crash(one)
    assert amounts() == {"#a": 0.5}  # by what it left behind
    other = worker()
    other.append(call(cost=0.25, cost_source="prices", spenders=(("user", "#b"),)))
    other._round()
    assert amounts() == {"#a": 0.5, "#b": 0.25}
    other.stop()
    assert amounts() == {"#a": 0.5, "#b": 0.25}  # by the file
    third = worker()
    third.append(call(cost=0.25, cost_source="prices", spenders=(("user", "#a"),)))
    third._round()
    assert amounts() == {"#a": 0.75, "#b": 0.25}


class TestReport:
    @pytest.fixture
    def run(self, config, monkeypatch):
        monkeypatch.setenv("OTEL_LLM_STATE_DIR", config.state_dir)
        monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", str(config.port))
        base = statedir.base(config)
        base.mkdir(mode=0o700, parents=True)
        batches = [
            batch(1, 1.5, tenant="acme"), batch(2, 0.5, tenant="acme", model="gpt-5-mini"), batch(3, 0.25, tenant="bee"),
            batch(4, 9.0, day=date(2026, 12, 1), tenant="acme"), batch(5, 0.125),
        ]  # fmt: skip
        ledgerfile.apply(base / statedir.LEDGER, batches, DAY)
        return lambda *arguments: CliRunner().invoke(report.command, arguments)

    def test_by_label(self, run):
        told = json.loads(run("--month", "2026-11", "--by", "tenant", "--json").output)
        assert [(row["tenant"], row["calls"], row["cost_usd"]) for row in told["rows"]] == [
            ("acme", 2, 2.0),
            ("bee", 1, 0.25),
            ("", 1, 0.125),
        ]
        assert (told["total"]["cost_usd"], told["total"]["calls"], told["total"]["complete"]) == (2.375, 4, 1.0)

    def test_as_csv_and_as_text(self, run):
        rows = list(csv.DictReader(io.StringIO(run("--day", "2026-11-28", "--by", "day,model", "--csv").output)))
        assert [(row["day"], row["model"], row["cost_usd"]) for row in rows] == [
            ("2026-11-28", "gpt-5", "1.875"), ("2026-11-28", "gpt-5-mini", "0.5"),
        ]  # fmt: skip
        lines = run("--month", "2026-11", "--by", "month,provider").output.splitlines()
        assert lines[0] == "2026-11-01 to 2026-11-30"
        assert lines[2].split() == ["2026-11", "openai", "4", "0", "0", "2.375000", "100.0", "%"]
        assert lines[3].split() == ["total", "4", "0", "0", "2.375000", "100.0", "%"]

    def test_nothing_was_spent(self, run):
        assert json.loads(run("--month", "2020-01", "--json").output)["rows"] == []
        assert run("--month", "2020-01", "--csv").output.startswith("model,calls,")

    @pytest.mark.parametrize(
        ("arguments", "wrong"),
        [
            (("--month", "2026-13"), "'2026-13' is not a month"),
            (("--day", "yesterday"), "'yesterday' is not a day"),
            (("--day", "2026-11-28", "--month", "2026-11"), "exclude each other"),
            (
                ("--month", "2026-11", "--by", "user"),
                "known are day, month, provider, model, tenant; other labels need OTEL_LLM_METRIC_LABELS=user",
            ),
        ],
    )
    def test_what_is_wrong_is_one_clear_line(self, run, arguments, wrong):
        done = run(*arguments)
        assert done.exit_code != 0
        assert wrong in f"{done.exception} {done.output}"

    def test_the_top_spenders(self, run, config):
        spenders = Spenders(2)
        for user, amount in (("#a", 2.0), ("#b", 1.0), ("#c", 0.5)):
            spenders.add(DAY.toordinal(), [("user", user)], amount)
        spendfile.save(statedir.base(config) / statedir.SPENDERS, spenders.dump(), "Spenders")
        told = json.loads(run("--month", "2026-11", "--top", "user", "--json").output)
        assert told == {
            "period": "2026-11", "label": "user", "total_usd": 3.5, "not_shown_at_most_usd": 1.5,
            "rows": [
                {"value": "#a", "cost_usd": 2.0, "error_usd": 0.0, "calls": 1},
                {"value": "#c", "cost_usd": 1.5, "error_usd": 1.0, "calls": 1},
            ],
        }  # fmt: skip
        rows = list(csv.DictReader(io.StringIO(run("--day", "2026-11-28", "--top", "user", "--csv").output)))
        assert [(row["user"], row["cost_usd"], row["error_usd"]) for row in rows] == [
            ("#a", "2.000000000", "0.000000000"), ("#c", "1.500000000", "1.000000000"),
        ]  # fmt: skip
        lines = run("--month", "2026-11", "--top", "user").output.splitlines()
        assert lines[2].split() == ["#a", "2.000000", "0.000000", "57.1%"]
        assert lines[-1] == "Whoever is not in the list of 2 has spent 1.500000 at most."
        wrong = run("--month", "2020-01", "--top", "tenant")
        assert (
            "no calls of 2020-01 have that label; there are user in 2026-11, 2026-11-28. Give"
            in f"{wrong.exception} {wrong.output}"
        )

    def test_a_damaged_ledger(self, run, config):
        database(config).write_bytes(b"no database" * 500)
        done = run("--month", "2026-11")
        assert "the ledger cannot be read" in f"{done.exception} {done.output}"


def test_a_report_on_no_service_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_LLM_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "9999")
    other = statedir.base(Config(port=9464, state_dir=str(tmp_path)))
    other.mkdir()
    told = CliRunner().invoke(report.command, ["--json"]).output
    assert (
        f"no service has kept anything in {statedir.base(Config.from_env())}; beside it are {other.name}. Give" in told
    )
    statedir.base(Config.from_env()).mkdir()
    assert json.loads(CliRunner().invoke(report.command, ["--json"]).output)["rows"] == []


def test_without_a_state_directory_nothing_was_spent(tmp_path):
    assert spent(Config(port=1, state_dir=str(tmp_path / "none"))) == (0, 0)
