"""The budgets file and the file that spend survives in."""

from __future__ import annotations

import json
import logging
import os

import pytest

from otel_llm.aggregate.budgets import read
from otel_llm.aggregate.window import Budget, Spend
from otel_llm.cluster import spendfile
from otel_llm.core.document import DocumentError

YAML = """\
budgets:
  - name: acme
    match: {tenant: acme}
    daily_usd: 5
    monthly_usd: 100.5
  - name: gpt
    match:
      model: gpt-*
      provider: openai
    monthly_usd: 20
"""
JSON = json.dumps(
    {
        "budgets": [
            {"name": "acme", "match": {"tenant": "acme"}, "daily_usd": 5, "monthly_usd": 100.5},
            {"name": "gpt", "match": {"model": "gpt-*", "provider": "openai"}, "monthly_usd": 20},
        ]
    },
    indent=1,
)


@pytest.mark.parametrize(("name", "text"), [("budgets.yaml", YAML), ("budgets.json", JSON), ("json-in.yaml", JSON)])
def test_budgets_are_read(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    assert read(str(path), ("tenant",)) == (
        Budget("acme", (("tenant", "acme"),), 5.0, 100.5),
        Budget("gpt", (("model", "gpt-*"), ("provider", "openai")), None, 20.0),
    )


def test_a_budget_for_each_value_of_a_label(tmp_path):
    path = tmp_path / "budgets.yaml"
    path.write_text("budgets:\n  - name: a\n    each: tenant\n    daily_usd: 5\n")
    (budget,) = read(str(path), ("tenant",))
    assert (budget.name, budget.each, budget.daily) == ("a", "tenant", 5.0)


ALLOWED = "(allowed: name, match, each, daily_usd, monthly_usd)"
WRONG = [
    ("budgets:\n  - name: a\n    daily_usd: lots\n", ":3: budgets[0].daily_usd: 'lots' is not a number of US dollars (allowed: 0"),
    ("budgets:\n  - name: a\n    daily_usd: -1\n", ":3: budgets[0].daily_usd: -1 is not a number of US dollars"),
    ("budgets:\n  - name: a\n    daily_usd: .nan\n", ":3: budgets[0].daily_usd: nan is not a number"),
    ("budgets:\n  - name: a\n    daily_usd: true\n", ":3: budgets[0].daily_usd: True is not a number"),
    ("budgets:\n  - name: a\n", ":2: budgets[0]: needs daily_usd, monthly_usd or both"),
    ("budgets:\n  - daily_usd: 1\n", ":2: budgets[0].name: is missing"),
    ("budgets:\n  - {name: a, daily_usd: 1}\n  - {name: a, daily_usd: 1}\n", ":3: budgets[1].name: 'a' is taken"),
    ("budgets:\n  - name: a\n    dayly: 1\n", f":3: budgets[0].dayly: is unknown {ALLOWED}"),
    ("budgets:\n  - name: a\n    match: {user: x}\n    daily_usd: 1\n", ":3: budgets[0].match.user: is unknown (allowed: provider, mo"),
    ("budgets:\n  - name: a\n    match: {tenant: 5}\n    daily_usd: 1\n", ":3: budgets[0].match.tenant: 5 is not a text (put it"),
    ("budgets:\n  - name: a\n    match: acme\n    daily_usd: 1\n", ":3: budgets[0].match: must be a mapping"),
    ("budgets: 5\n", ":1: budgets: must be a list"),
    ("budgets:\n  - 5\n", ":2: budgets[0]: must be a mapping"),
    ("", ":1: the file: must be a mapping (allowed: budgets)"),
    ("budgets:\n  - name: a\n    each: user\n    daily_usd: 1\n", "a label of calls has to be named in OTEL_LLM_METRIC_LABELS, as user"),
    ("limits: []\n", ":1: the file.limits: is unknown (allowed: budgets)"),
    ("budgets: [\n", ":2: is not YAML"),
    ("budgets:\n  - name: !!python/object:os.system x\n", ":2: is not YAML"),
    ("budgets:\n  - daily_usd: 2026-02-30\n", ":2: '2026-02-30' is not a value (put it in quotes"),
    ("budgets:\n  - daily_usd: !!bool perhaps\n", ":2: 'perhaps' is not a value"),
    ("budgets:\n  - daily_usd: !!int ''\n", ":2: '' is not a value"),
    ("budgets:\n  - daily_usd: !!timestamp soon\n", ":2: 'soon' is not a value"),
    (f"budgets:\n  - daily_usd: {'1:' * 300}1.5\n", "1.5' is not a value"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_what_is_wrong_is_said_with_line_and_field(tmp_path, text, told):
    path = tmp_path / "budgets.yaml"
    path.write_text(text)
    with pytest.raises(DocumentError) as error:
        read(str(path), ("tenant",))
    assert told in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"budgets": [\n {"name": "a",\n  "daily_usd": "x"}]}', ":3: budgets[0].daily_usd: 'x' is not a number"),
        (
            '{"budgets": [\n\n {"name": "a", "match": {"k\\"ey": "{[,"}, "daily_usd": 1}]}',
            ':3: budgets[0].match.k"ey: is unknown',
        ),
        (
            '{"budgets": [{"name": "a\\ud800", "daily_usd": 1}]}',
            ":1: budgets[0].name: 'a\\ud800' has signs that cannot be",
        ),
        (
            '{"budgets": [{"name": "a\\nb", "daily_usd": 1}]}',
            ":1: budgets[0].name: 'a\\nb' has signs that cannot be printed",
        ),
        ('{"budgets": [}', ":1: is not JSON"),
    ],
)
def test_json_has_lines_too(tmp_path, text, told):
    path = tmp_path / "budgets.json"
    path.write_text(text)
    with pytest.raises(DocumentError) as error:
        read(str(path))
    assert told in str(error.value)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(DocumentError, match="cannot be read"):
        read(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("path", ["~nobody-of-this-name/budgets.yaml", "bud\0gets.yaml"])
def test_a_path_that_can_be_none_is_said(path):
    with pytest.raises(DocumentError, match="cannot be read"):
        read(path)


def test_yaml_without_the_extra_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    path = tmp_path / "budgets.yaml"
    path.write_text(YAML)
    with pytest.raises(DocumentError, match=r"pip install 'otel-llm\[yaml\]'"):
        read(str(path))


def state() -> object:
    spend = Spend(daily=1.0)
    spend.add(1_700_000_000.0, 0.25, {})
    return spend.dump()


def test_spend_survives_on_disk(tmp_path):
    path = tmp_path / "spend"
    assert spendfile.save(path, state())
    loaded = Spend.load(spendfile.load(path), daily=1.0)
    assert list(loaded.gauges(1_700_000_000.0)) == list(Spend.load(state(), daily=1.0).gauges(1_700_000_000.0))
    assert [entry.name for entry in tmp_path.iterdir()] == ["spend"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_file_is_no_warning(tmp_path, caplog):
    assert spendfile.load(tmp_path / "spend") is None
    assert caplog.records == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"",
        lambda whole: whole.replace(b"0.25", b"9.25"),
        lambda whole: whole.replace(b"otel-llm-spend 1", b"otel-llm-spend 9"),
        lambda whole: b"\x89PNG\r\n\x1a\n\0\0\xff",
        lambda whole: b"something else entirely\n{}\n",
    ],
)
def test_a_damaged_or_foreign_file_is_a_warning_and_a_fresh_start(tmp_path, caplog, damage):
    path = tmp_path / "spend"
    spendfile.save(path, state())
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING, "otel_llm"):
        assert spendfile.load(path) is None
    assert "counting starts from zero" in caplog.text
    assert spendfile.save(path, state())
    assert spendfile.load(path) is not None


def test_a_crash_while_saving_leaves_the_old_file(tmp_path, monkeypatch, caplog):
    path = tmp_path / "spend"
    spendfile.save(path, state())
    before = path.read_bytes()

    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with caplog.at_level(logging.WARNING, "otel_llm"):
        assert not spendfile.save(path, Spend().dump())
    assert "could not be saved" in caplog.text
    assert path.read_bytes() == before


def test_a_link_is_not_followed(tmp_path, caplog):
    (tmp_path / "precious").write_text("untouched")
    (tmp_path / f"spend.{os.getpid()}.new").symlink_to(tmp_path / "precious")
    with caplog.at_level(logging.WARNING, "otel_llm"):
        assert not spendfile.save(tmp_path / "spend", state())
    assert (tmp_path / "precious").read_text() == "untouched"


def test_a_folder_that_is_not_there_is_a_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "otel_llm"):
        assert not spendfile.save(tmp_path / "gone" / "spend", state())
        assert spendfile.load(tmp_path) is None
    assert len(caplog.records) == 2
