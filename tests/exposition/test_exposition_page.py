"""The status page over HTTP: what is answered to whom, what it says, and what it costs. How it looks is for the browser's test."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator

import pytest
from page_facts import Service, renamed

from otel_llm.core.config import Config
from otel_llm.core.guard import Guard
from otel_llm.exposition import page
from otel_llm.exposition.apps import asgi_app, wsgi_app
from otel_llm.exposition.page import text, words
from otel_llm.exposition.page.work import levels
from otel_llm.exposition.server import Server, serve
from otel_llm.exposition.snapshot import Snapshot

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
METRICS = b"some_metric 1\n"


@pytest.fixture(autouse=True)
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "strict", True)


@pytest.fixture(scope="module")
def incident() -> dict:
    return Service(incident=True).facts()


@pytest.fixture(scope="module")
def calm() -> dict:
    return Service(incident=False).facts()


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def run(status: Callable[[], dict], **settings: object) -> Server:
        started.append(serve(Config(host="127.0.0.1", port=0, **settings), lambda _: ("text/plain", METRICS), status))
        return started[-1]

    yield run
    for server in started:
        server.close()


def get(server: Server, path: str, **headers: str):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, dict(reply.getheaders()), body


def text_of(html: bytes) -> str:
    """What is read on the page, without markup, style and script."""
    shown = re.sub(r"<(style|script)>.*?</\1>", "", html.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown)).replace(words.THIN, " ").replace(" :", ":")


def test_a_browser_gets_the_page_curl_gets_text_and_prometheus_the_metrics(start, incident):
    server = start(lambda: incident)
    status, headers, body = get(server, "/", Accept=BROWSER)
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "text/html; charset=utf-8", "no-store")
    assert "gpt-4.1: 59 % of calls fail (rate_limit), since" in text_of(body)
    status, headers, body = get(server, "/", Accept="*/*")
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert body.decode().splitlines()[1].startswith("CRITICAL gpt-4.1: 59 % of calls fail (rate_limit), since ")
    assert get(server, "/metrics", Accept=BROWSER)[2] == METRICS
    status, headers, body = get(server, "/status.json", Accept=BROWSER)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == incident
    assert [get(server, path)[0] for path in ("/healthz", "/-/healthy", "/-/ready", "/other")] == [200, 200, 200, 404]


def test_the_page_comes_zipped_where_that_is_understood(start, incident):
    server = start(lambda: incident)
    _, headers, body = get(server, "/", Accept=BROWSER, Accept_Encoding="gzip, br")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == get(server, "/", Accept=BROWSER)[2]


def test_the_policy_allows_exactly_what_is_sent(start, incident):
    _, headers, body = get(start(lambda: incident), "/", Accept=BROWSER)
    policy = headers["Content-Security-Policy"]
    for tag in ("style", "script"):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", body.decode(), flags=re.DOTALL)
        assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert " style=" not in body.decode()
    assert not re.search(r"<[^>]+ on\w+=", body.decode())
    assert len(page.STYLE) < 10_000


def test_the_page_asks_for_the_same_password_as_the_metrics(start, incident, tmp_path):
    (tmp_path / "users").write_text("me:sesame\n")
    server = start(lambda: incident, basic_auth_file=str(tmp_path / "users"))
    assert [get(server, path, Accept=BROWSER)[0] for path in ("/", "/status.json", "/metrics")] == [401] * 3
    assert [get(server, path)[0] for path in ("/healthz", "/-/ready")] == [200] * 2
    allowed = "Basic " + base64.b64encode(b"me:sesame").decode()
    assert get(server, "/", Accept=BROWSER, Authorization=allowed)[0] == 200


def test_a_thousand_viewers_cost_one_snapshot_a_second(incident):
    now, asked, rendered = [0.0], [], []
    snapshot = Snapshot(lambda: asked.append(1) or incident, clock=lambda: now[0])
    for _ in range(1000):
        snapshot.get("page", lambda facts: rendered.append(1) or facts)
    assert (len(asked), len(rendered)) == (1, 1)
    now[0] = 1.0
    threads = [
        threading.Thread(target=snapshot.get, args=("page", lambda facts: rendered.append(1))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(asked), len(rendered)) == (2, 2)
    for number in range(100):  # paths that it is mounted at come from outside
        snapshot.get(number, lambda facts: facts)
    assert len(snapshot._made) <= 32


def test_old_numbers_are_shown_as_old(start, incident, monkeypatch):
    monkeypatch.setattr("otel_llm.exposition.snapshot.SECOND", 0.0)
    answers = [incident]

    def status() -> dict:
        if not answers:
            raise OSError("nobody leads the processes of this service just now")
        return answers.pop()

    server = start(status)
    assert get(server, "/-/ready")[0] == 200
    assert get(server, "/-/ready")[0] == 503
    said = text_of(get(server, "/", Accept=BROWSER)[2])
    assert "Not judged: these numbers end at" in said
    assert "nobody leads the processes of this service just now" in said
    assert "Known then gpt-4.1: 59 % of calls fail (rate_limit), since" in said
    assert get(server, "/", Accept="*/*")[2].decode().splitlines()[1].startswith("UNKNOWN  these numbers end at")
    assert json.loads(get(server, "/status.json")[2])["fresh"] == "old"


def test_without_any_numbers_it_says_so(start):
    def nobody() -> dict:
        raise OSError("nobody leads")

    server = start(nobody)
    for path in ("/", "/status.json", "/-/ready"):
        status, _, body = get(server, path, Accept=BROWSER)
        assert status == 503
        assert b"no leader" in body


def test_a_failure_of_ours_is_no_blank_page(start, monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    server = start(lambda: {"fresh": "live"})
    status, _, body = get(server, "/", Accept=BROWSER)
    assert status == 500
    assert b"the log of the service says why" in body


def test_calm_says_what_was_judged_and_what_was_not(calm):
    said = text_of(page.render(calm))
    assert "Nothing is beyond a limit." in said
    judged = calm["judged"]
    assert f"{judged['conditions']} of {judged['of']} conditions on {judged['calls']} calls of the last 5 min" in said
    assert "not used here" in said
    assert page.render(calm).count(b'class="critical"') == 0


def test_a_service_that_has_just_started_says_what_to_do():
    facts = Service(empty=True).facts()
    said = text_of(page.render(facts))
    assert "No call yet." in said
    assert "Let the service make one call" in said
    assert "otel-llm doctor" in said
    assert "WAITING" in text.render(facts)


def test_rows_are_sorted_by_links(incident):
    def order(**asked) -> list[str]:
        html = page.render(incident, **asked).decode().partition('aria-label="Models"')[2].partition("</table>")[0]
        return re.findall(r'<span class="name"><bdi>(.*?)</bdi>', html)

    assert order()[0] == "gpt-4.1"  # the one that fails
    assert order(sort="name") == sorted(order())
    calls = {row["model"]: row["calls_per_s"] for row in incident["models"]}
    assert order(sort="calls") == sorted(calls, key=lambda name: -calls[name])
    assert b'aria-sort="descending"><a href="?sort=failed"' in page.render(incident, sort="failed")


def test_beyond_twenty_models_the_rest_is_one_row(incident):
    many = {**incident, "models": [{**incident["models"][0], "model": f"model-{number:02}"} for number in range(25)]}
    html = page.render(many).decode()
    assert "5 others" in html
    assert "model-24" not in html
    assert "model-24" in page.render(many, everything=True).decode()


HOSTILE = (
    "<script>alert(1)</script>", '" onmouseover="alert(1)', "a\u202etxt.exe", "</bdi><img src=x onerror=alert(1)>", "x" * 400,
    "{who}", "\x00\x1b[2J",
)  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_names_from_outside_are_text_wherever_they_stand(incident, hostile):
    facts = renamed(incident, hostile)
    html = page.render({**facts, "service": {**facts["service"], "name": hostile}}).decode()
    body = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    assert "<script>" not in body
    assert "<img" not in body
    assert not re.search(r"<[^>]+ on\w+=", re.sub(r'"[^"]*"', '""', body))
    assert "\u202e" not in body
    assert "\x00" not in body
    assert "\x1b" not in text.render(facts)
    assert max(map(len, re.findall(r"<bdi[^>]*>(.*?)</bdi>", body))) <= 6 * 72


def test_mounted_in_a_host_it_answers_a_browser_and_links_to_itself(incident):
    def ask(path: str, accept: str) -> tuple[str, bytes]:
        said: list[str] = []
        environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/llm", "PATH_INFO": path, "HTTP_ACCEPT": accept}
        body = b"".join(
            wsgi_app(lambda _: ("text/plain", METRICS), lambda: incident)(
                environ, lambda status, _: said.append(status)
            )
        )
        return said[0], body

    status, body = ask("/", BROWSER)
    assert status == "200 OK"
    assert b'href="/llm/metrics"' in body
    assert b'href="/llm/status.json"' in body
    assert ask("", BROWSER)[1] == body
    assert json.loads(ask("/status.json", "*/*")[1]) == incident
    assert [ask(path, "*/*")[1] for path in ("", "/", "/metrics", "/anything")] == [METRICS] * 4
    assert ask("/metrics", BROWSER)[1] == METRICS
    assert ask("/-/ready", "*/*")[0] == "200 OK"


@pytest.mark.parametrize("path", ["/llm/", "/"])
async def test_mounted_in_an_asgi_host_with_and_without_the_path_that_it_is_mounted_at(incident, path):
    sent: list[dict] = []

    async def send(message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "root_path": "/llm", "path": path, "query_string": b"sort=name",
             "headers": [(b"accept", BROWSER.encode())]}  # fmt: skip
    await asgi_app(lambda _: ("text/plain", METRICS), lambda: incident)(scope, None, send)
    assert sent[0]["status"] == 200
    assert b'href="/llm/status.json"' in sent[1]["body"]
    assert b'aria-sort="ascending"' in sent[1]["body"]


@pytest.mark.parametrize(("value", "shown"), [
    (None, words.NONE), (0, "0"), (0.001, "<0.01"), (0.24, "0.24"), (7.31, "7.3"), (23463, "23,463"), (1_240_000, "1.2M"),
    (float("nan"), words.NONE),
])  # fmt: skip
def test_numbers_in_few_digits(value, shown):
    assert words.number(value) == shown


@pytest.mark.parametrize(("value", "shown"), [
    (None, words.NONE), (0, "0 %"), (0.0003, "<0.1 %"), (0.004, "0.4 %"), (0.6, "60 %"), (1.05, "105 %"),
])  # fmt: skip
def test_shares(value, shown):
    assert words.percent(value).replace(words.THIN, " ") == shown


@pytest.mark.parametrize(("value", "shown"), [
    (None, words.NONE), (0, "$0"), (0.00002, "<$0.0001"), (0.0031, "$0.0031"), (7.5, "$7.50"), (1500, "$1,500"), (410.2, "$410.20"),
])  # fmt: skip
def test_money(value, shown):
    assert words.dollars(value) == shown


@pytest.mark.parametrize(("value", "shown"), [
    (29, "29 s"), (190, "3 min 10 s"), (1260, "21 min"), (11520, "3 h 12 min"), (273_600, "3 d 4 h"),
])  # fmt: skip
def test_durations(value, shown):
    assert words.duration(value).replace(words.THIN, " ") == shown


def test_agents_and_tools_have_a_tab_where_there_are_any(start, calm):
    last = {"runs": 12, "failed": 0.5, "run_cost": 2.5}
    agents = [{"name": "<b>support", "runs": 40, "failed": 0.25, "cost": 1.5, "mean_s": 3.0, "last": last}]
    tools = [
        {"name": "search", "runs": 80, "failed": 0.0, "mean_s": 0.5, "repeats": 7, "last": {**last, "run_cost": None}}
    ]
    key = {"agent": "<b>support"}
    failing = {"id": "agent", "level": "warning", "key": key, "folded": []}
    address = start(lambda: {**calm, "agents": agents, "tools": tools})
    shown_first = get(address, "/", Accept=BROWSER)[2].decode()
    assert '<a href="?view=agents">Agents and tools</a>' in shown_first
    assert '<a href="?view=service" aria-current=page>' in shown_first
    work = get(address, "/?view=agents", Accept=BROWSER)[2]
    assert b'<a href="?view=agents" aria-current=page>' in work
    shown = text_of(work)
    assert "&lt;b&gt;support 40 25 % $1.50 3.0 12 50 % $2.50" in shown
    assert "search 80 0 % 0.50 12 50 % 7" in shown
    assert b"<b>support" not in work
    assert levels([failing]) == {("agent", "<b>support"): "warning"}
    without = start(lambda: {**calm, "agents": [], "tools": []})
    for path in ("/", "/?view=agents"):
        assert "Agents" not in text_of(get(without, path, Accept=BROWSER)[2])
