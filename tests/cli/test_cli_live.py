"""``otel-llm top`` on a pseudo-terminal: the screen, the keys, a service that goes away."""

from __future__ import annotations

import cli_pages
import pytest


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 34), (200, 50)])
def test_the_screen_fits_and_ends_with_q(serve, terminal, same_screen, columns, lines):
    shown = terminal("top", serve(cli_pages.busy().text()).address, "--interval", 3600, columns=columns, lines=lines)
    same_screen(shown, f"live-{columns}")
    shown.press("q")
    assert shown.end() == 0
    assert shown.raw.endswith(b"\x1b[?25h\x1b[?1049l")  # the cursor and the terminal's own screen are back


def test_without_unicode(serve, terminal, same_screen):
    address = serve(cli_pages.busy().text()).address
    poor = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "vt100", "NO_COLOR": "1"}
    shown = terminal("top", address, "--interval", 3600, columns=80, lines=40, **poor)
    same_screen(shown, "live-ascii")
    assert shown.raw.isascii()
    shown.press("q")
    assert shown.end() == 0


def names(text: str) -> list[str]:
    """The first column of the table."""
    rows = text.partition(" name")[2].splitlines()[1:]
    return [row.split()[1] for row in rows if row.startswith("│")]


def test_keys_sort_reverse_group_and_pause(serve, terminal):
    shown = terminal("top", serve(cli_pages.busy().text()).address, "--interval", 3600)
    shown.until("sort: cost")
    assert names(shown.text) == ["gpt-4.1", "claude-sonnet-4-5", "gpt-5-mini"]
    shown.press("s")
    shown.until("sort: requests")
    shown.press("s")
    shown.until("sort: latency")
    assert names(shown.text) == ["claude-sonnet-4-5", "gpt-4.1", "gpt-5-mini"]
    shown.press("r")
    shown.until(lambda text: names(text) == ["gpt-5-mini", "gpt-4.1", "claude-sonnet-4-5"])
    shown.press("g")
    shown.until("group: provider")
    assert names(shown.text) == ["openai", "anthropic"]
    shown.press("g")
    shown.until("group: tenant")
    shown.press("+")
    shown.until("+- 10s")
    shown.press("-")
    shown.until("+- 30s")
    shown.press("p")
    shown.until("PAUSED")
    shown.press("p")
    shown.until("CRITICAL")


def test_a_question_mark_shows_what_keys_and_signs_mean(serve, terminal):
    shown = terminal("top", serve(cli_pages.busy().text()).address, "--interval", 3600)
    shown.until("sort: cost")
    shown.press("?")
    shown.until("KEYS AND SIGNS")
    shown.until("▲         unusually high")
    assert "LATENCY" not in shown.text
    shown.press("?")
    shown.until("LATENCY")


def test_a_filter_is_typed_kept_and_cleared(serve, terminal):
    shown = terminal("top", serve(cli_pages.busy().text()).address, "--interval", 3600)
    shown.until("/ filter")
    shown.press("/SONX\x7f")
    shown.until("filter: SON_")
    assert names(shown.text) == ["claude-sonnet-4-5"]
    shown.press("\r")
    shown.until("MODELS matching 'SON'")
    shown.press("/\x1b")
    shown.until(lambda text: len(names(text)) == 3)


def test_new_pages_move_the_numbers(serve, terminal):
    served = serve(cli_pages.busy().text())
    shown = terminal("top", served.address, "--interval", 0.2)
    shown.until("$3.05")
    served.text = cli_pages.busy(2.0).text()
    shown.until("$6.11")
    shown.until("█")  # the calls in between are a column of the sparkline


def test_a_service_that_goes_away_is_lost_and_found_again(serve, terminal):
    served = serve(cli_pages.busy().text())
    shown = terminal("top", served.address, "--interval", 0.2, columns=200)
    shown.until("CRITICAL")
    served.status = 503
    shown.until("LOST")
    assert "HTTP status 503" in shown.text
    assert names(shown.text) == ["gpt-4.1", "claude-sonnet-4-5", "gpt-5-mini"]  # the last page stays
    served.status = 200
    shown.until("CRITICAL")


def test_a_new_size_is_a_new_layout(serve, terminal):
    shown = terminal("top", serve(cli_pages.busy().text()).address, "--interval", 3600, columns=120, lines=34)
    shown.until("z cost")
    shown.resize(80, 34)
    shown.until(lambda text: "z cost" not in text and "per call" in text)


def test_ctrl_c_ends_it_quietly(serve, terminal):
    shown = terminal("top", serve(cli_pages.busy().text()).address, "--interval", 3600)
    shown.until("+- 3600s")
    shown.interrupt()
    assert shown.end() == 0
    assert b"Traceback" not in shown.raw


def test_a_picture_of_the_last_frame(serve, terminal, tmp_path):
    path = tmp_path / "top.svg"
    shown = terminal("top", serve(cli_pages.busy().text()).address, "--interval", 3600, "--picture", path)
    shown.until("+- 3600s")
    shown.press("q")
    assert shown.end() == 0
    picture = path.read_text("utf-8")
    assert "LATENCY" in picture
    assert "cdn" not in picture


def test_a_terminal_that_only_writes_on_gets_one_frame(serve, terminal):
    shown = terminal("top", serve(cli_pages.busy().text()).address, TERM="dumb", lines=60)
    assert shown.end() == 0
    assert names(shown.text) == ["gpt-4.1", "claude-sonnet-4-5", "gpt-5-mini"]
