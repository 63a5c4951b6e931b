"""Every Python snippet in README and docs runs as it is printed; every command is one that there is, and runs too."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from docs_pages import ROOT, blocks, commands

from otel_llm.cli import app

pytestmark = pytest.mark.xdist_group("docs")
EXAMPLES = {
    "examples/script.py": "import runpy; runpy.run_path('examples/script.py')",
    "examples/flask_app.py": """
import examples.flask_app as m
from otel_llm.testing import capture
with capture() as captured:
    assert m.app.test_client().get('/ask?q=hi').json['answer'].startswith('Hello')
    m.FIRST = "fail-529"  # the first provider is overloaded
    assert m.app.test_client().get('/ask?q=hi').json['answer'].startswith('Hello')
models = [call.request_model for call in captured.calls]
assert models == ["claude-haiku-4-5", "fail-529", "gpt-4o-mini"], models
assert captured.count("otel_llm_fallbacks_total", "fail-529", "gpt-4o-mini", "OverloadedError") == 1, captured.events
""",
    "examples/fastapi_app.py": """
import warnings
warnings.simplefilter("ignore")
from fastapi.testclient import TestClient
import examples.fastapi_app as m
with TestClient(m.app) as client:
    assert client.get('/ask?q=hi').json()['answer'].startswith('Hello')
    assert client.get('/stream?q=hi').text.startswith('Hello')
""",
    "examples/celery_batch.py": """
import os
os.environ |= {"CELERY_BROKER_URL": "memory://", "CELERY_RESULT_BACKEND": "cache+memory://"}
import examples.celery_batch as m
from otel_llm import Config
from otel_llm.testing import capture
m.app.conf.update(task_always_eager=True)
with capture(config=Config(metric_labels=("tenant", "feature"))) as captured:
    summaries = m.batch({"acme": ["one text", "another"], "globex": ["a third"]})
assert len(summaries) == 3 and all(summaries), summaries
assert sorted(call.labels for call in captured.calls) == [
    ("acme", "nightly_summary"), ("acme", "nightly_summary"), ("globex", "nightly_summary")
], captured.calls
""",
    "examples/lambda_handler.py": """
import os, tempfile
os.environ |= {"OTEL_LLM_METRICS_SERVER": "off", "OTEL_LLM_STATE_DIR": tempfile.mkdtemp()}
import examples.lambda_handler as m
import otel_llm
assert m.handler({"question": "hi", "tenant": "acme"}, None)["body"].startswith("Hello")
assert otel_llm.stats()["total"]["calls"] == 1, otel_llm.stats()
""",
    "examples/notebook.ipynb": """
import contextlib, io, json
names = {}
with contextlib.redirect_stdout(io.StringIO()) as printed:
    for cell in json.load(open("examples/notebook.ipynb"))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
assert printed.getvalue().startswith("2 calls, "), printed.getvalue()
assert "gpt-4o-mini" in printed.getvalue()
""",
}
PRINTED = [block for block in blocks("python") if not block.skipped]
SNIPPETS = {
    block.id: [other.code for other in PRINTED if other.page == block.page and other.line <= block.line]
    for block in PRINTED
} | {name: [code] for name, code in EXAMPLES.items()}
OURS = dict(commands("otel-llm"))


@pytest.fixture(scope="session")
def outcomes(surroundings: dict[str, str]) -> dict[str, tuple[int, str]]:
    runner = Path(__file__).with_name("docs_runner.py")
    ran = subprocess.run(
        [sys.executable, str(runner)], input=json.dumps(list(SNIPPETS.items())), capture_output=True, text=True, cwd=ROOT,
        env=surroundings, check=True,
    )  # fmt: skip
    return json.loads(ran.stdout)


@pytest.mark.parametrize("name", SNIPPETS)
def test_snippets_run(outcomes: dict[str, tuple[int, str]], name: str) -> None:
    status, output = outcomes[name]
    assert status == 0, output


@pytest.mark.parametrize("name", OURS)
def test_commands_are_ones_that_there_are(name: str) -> None:
    words = OURS[name]
    group = app.group
    with click.Context(group) as context:
        command, rest = words[0], words[1:]
        found = group.get_command(context, command)
        assert found is not None, f"there is no otel-llm {command}"
        found.make_context(command, list(rest), parent=context)


RUN = {name: words for name, words in OURS.items() if words[0] in ("top", "check", "doctor", "providers", "prices", "export")
       and not any(re.match(r"https?://|[a-z-]+:\d+", word) for word in words)}  # fmt: skip


@pytest.mark.parametrize("name", RUN)
def test_commands_run(service: dict[str, str], tmp_path: Path, name: str) -> None:
    ran = subprocess.run(
        ["otel-llm", *RUN[name]], env=service, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    strict = RUN[name] != ["doctor"]  # what it reports about this machine is no fault of the page
    assert ran.returncode in ((0,) if strict else (0, 1)), ran.stdout + ran.stderr
    assert ran.stderr == ""


SCRIPT_LINE = re.compile(r"^otel-llm: 2 calls, .*$", re.MULTILINE)
P95 = re.compile(r"p95 [\d.]+ m?s")


@pytest.mark.parametrize("name", ["README.md", "docs/service.md"])
def test_a_script_ends_with_the_line_that_is_printed(surroundings: dict[str, str], name: str) -> None:
    """Except for the time, which the provider takes."""
    (printed,) = SCRIPT_LINE.findall((ROOT / name).read_text(encoding="utf-8"))
    ran = subprocess.run(
        ["otel-llm", "run", "python", "examples/script.py"], env=surroundings, cwd=ROOT, capture_output=True, text=True, check=True
    )  # fmt: skip
    (line,) = SCRIPT_LINE.findall(ran.stderr)
    assert P95.sub("p95", line) == P95.sub("p95", printed)


def test_the_page_shows_what_the_index_names(page: str) -> None:
    """Of the table of metrics, what a service without trouble can show."""
    for metric in (
        "gen_ai_client_operation_duration_seconds_count", "gen_ai_client_operation_time_to_first_chunk_seconds_count",
        "gen_ai_client_token_usage_sum", "otel_llm_cost_usd_total", "otel_llm_request_cost_usd_count",
        "otel_llm_budget_used_ratio", "otel_llm_latency_seconds", "otel_llm_internal_errors_total",
    ):  # fmt: skip
        assert re.search(rf"^{metric}[ {{]", page, re.MULTILINE), metric


def test_make_has_the_targets_that_are_named() -> None:
    there = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[0] for _, words in commands("make") if words}
    assert {"demo", "test"} <= named <= there
