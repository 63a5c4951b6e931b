"""What a command says of bad input: one line, what and what to do, exit code 2."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import cli_pages
import pytest
import trustme

from otel_llm.cli import app


def refused(ran, *words):
    """One line on standard error, nothing on standard output, exit code 2."""
    assert ran.code == 2, ran
    assert ran.out == ""
    assert len(ran.err.strip().splitlines()) == 1, ran.err
    assert ran.err.startswith("otel-llm: ")
    assert "Traceback" not in ran.err
    for word in words:
        assert word in ran.err


@pytest.fixture(params=["top", "check"])
def command(request):
    return request.param


@pytest.mark.parametrize("address", ["ftp://x", "http://", "a b", "host:99999", "http://user:secret@"])
def test_no_address(in_process, command, address):
    ran = in_process(command, address)
    refused(ran, "is no address; give a port, host:port")
    assert "secret" not in ran.err


def test_nobody_there(otel_llm, command):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    refused(otel_llm(command, port), f"http://localhost:{port}/metrics is not there (connection refused)")


def test_unknown_host(otel_llm, command):
    refused(otel_llm(command, "no-such-host.invalid:9464"), "host name that cannot be resolved")


def test_a_web_page(otel_llm, serve, command):
    served = serve("<!DOCTYPE html><html></html>", content_type="text/html")
    refused(otel_llm(command, served.address), "answers with a web page, not with metrics")


def test_nothing(otel_llm, serve, command):
    refused(otel_llm(command, serve("").address), "answers with nothing at all", "otel-llm doctor")


def test_no_metrics(otel_llm, serve, command):
    refused(
        otel_llm(command, serve("hello, this is {no format\n").address), "does not answer in Prometheus's text format"
    )


def test_metrics_of_somebody_else(otel_llm, serve, command):
    served = serve('# TYPE python_info gauge\npython_info{version="3"} 1.0\n')
    refused(otel_llm(command, served.address), "serves metrics, but not otel-llm's")


@pytest.mark.parametrize(("status", "words"), [(401, "asks for a user and password"), (404, "has no such page"),
                                               (403, "refuses us"), (500, "HTTP status 500")])  # fmt: skip
def test_a_refusal(in_process, serve, command, status, words):
    refused(in_process(command, serve("no", status=status).address), words)


def test_something_that_is_no_http(otel_llm, serve, command):
    refused(otel_llm(command, serve("", raw=b"SSH-2.0-OpenSSH_9.2\r\n").address), "does not speak HTTP")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Key and certificate of this machine, and beside them that of an authority nobody knows."""
    authority = trustme.CA()
    folder = tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "localhost.pem")
    return folder / "localhost.pem"


def test_tls(otel_llm, serve, command, certificate):
    served = serve(cli_pages.busy().text(), tls=certificate)
    secure = f"https://localhost:{served.port}"
    refused(otel_llm(command, secure), "certificate that is not trusted", "--cacert FILE, or --insecure")
    refused(otel_llm(command, served.address), "https://")
    refused(otel_llm(command, secure, "--cacert", "no-such-file.pem"), "'no-such-file.pem' is no readable PEM file")
    refused(otel_llm(command, secure, "--cacert", __file__), "is no readable PEM file")
    assert otel_llm(command, secure, "--cacert", certificate.with_name("ca.pem")).code == 0
    assert otel_llm(command, secure, "--insecure").code == 0


def test_plain_http_asked_for_over_tls(otel_llm, serve, command):
    served = serve(cli_pages.busy().text())
    refused(otel_llm(command, f"https://localhost:{served.port}"), "does not speak TLS: try it with http://")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tap"], "No such command 'tap'"),
        (["top", "--colour"], "No such option"),
        (["top", "--sort", "colour"], "'colour' is not one of 'cost'"),
        (["top", "--interval", "0"], "0 is not in the range"),
        (["top", "--width", "wide"], "'wide' is not a valid integer"),
        (["check", "--max-series", "0"], "not in the range"),
        (["demo", "--speed", "0"], "0 is not in the range"),
        (["demo", "--port", "70000"], "70000 is not in the range"),
        (["demo", "--duration", "long"], "'long' is not a valid float"),
        (["export"], "Missing argument"),
        (["export", "nagios", "x"], "'nagios' is not one of 'prometheus'"),
        (["export", "prometheus", "x", "--p95", "20"], "--p95 '20': not a duration such as 20s"),
        (["export", "prometheus", "x", "--error-rate", "2"], "did you mean 2%?"),
        (["export", "prometheus", "x", "--zscore-warning", "5"], "must be below --zscore-critical"),
        (["export", "grafana", "x", "--label", "a-b"], "'a-b' is no label name"),
        (["export", "prometheus", "/proc/no/such"], "/proc/no cannot be written"),
        (["prices"], "Missing argument"),
        (["prices", "gpt-4.1", "--usage", "tokens=1"], "'tokens=1' is no name=count; names are input"),
        (["prices", "gpt-4.1", "--usage", "input=-1"], "input=-1: not a number from 0 up"),
        (
            ["prices", "gpt-4.1", "--usage", "cache_read=10,output=5"],
            "input includes cache_read: give input=10 or more",
        ),
        (
            ["prices", "gpt-4.1", "--usage", "input=9,cache_read=8,cache_write=2"],
            "cache_read and cache_write: give input=10",
        ),
        (
            ["prices", "gpt-4.1", "--usage", "input=9,cache_write=2,cache_write_1h=3"],
            "cache_write includes cache_write_1h",
        ),
        (["prices", "gpt-4.1", "--usage", "output=5,thinking=6"], "output includes thinking: give output=6 or more"),
        (["prices", "gpt-4.1", "--usage", "input=5,input=6"], "input is given twice"),
        (["prices", ""], "the name of the model is empty"),
        (["prices", "--as", ""], "the name of the model is empty"),
        (["prices", "gpt-4.1", "--from", "9464"], "--from goes with --as MODEL"),
        (["prices", "--as", "gpt-4.1", "--usage", "input=1"], "--usage has no place beside it"),
        (["prices", "--as", "nobody-knows-this", "--from", "127.0.0.1:1"], "is not there (connection refused)"),
        (
            ["demo", "--otlp", "collector:4318"],
            "'collector:4318' is not an address that begins with http:// or https://",
        ),
        (["generate", "--root", "/tmp"], "/tmp is not the repository of otel-llm"),
    ],
)
def test_options_and_places(in_process, arguments, words):
    refused(in_process(*arguments), words)


def test_certificates_that_are_none_are_refused_without_tls_too(in_process, serve, command):
    address = serve(cli_pages.busy().text()).address
    refused(in_process(command, address, "--cacert", "no-such-file.pem"), "'no-such-file.pem' is no readable PEM file")


@pytest.mark.parametrize(
    "arguments", [["providers", "--json"], ["providers"], ["check", "--json"], ["check"], ["top", "--once"]]
)
def test_an_output_that_cannot_be_written(otel_llm, serve, arguments):
    address = [serve(cli_pages.busy().text()).address] if arguments[0] != "providers" else []
    with Path("/dev/full").open("w") as full:
        ran = otel_llm(*arguments, *address, stdout=full)
    assert (ran.code, ran.err) == (2, "otel-llm: cannot write the output: No space left on device\n")


def test_an_error_that_is_not_the_output_s_is_not_hidden(monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(app.group, "main", broken)
    with pytest.raises(OSError, match="No space left"):
        app.run(["providers"])


def test_without_arguments_it_is_the_help(otel_llm):
    ran = otel_llm()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == otel_llm("--help").out


def test_a_label_that_no_call_carries(otel_llm, serve):
    served = serve(cli_pages.busy().text())
    refused(
        otel_llm("top", served.address, "--by", "team"),
        "no calls carry the label 'team'",
        "model, provider, tenant, operation",
    )


def test_a_price_file_with_a_mistake(otel_llm, tmp_path):
    path = tmp_path / "prices.json"
    path.write_text('{"prices": [{"modle": "x"}]}')
    refused(otel_llm("prices", "gpt-4.1", OTEL_LLM_PRICES_FILE=str(path)), "OTEL_LLM_PRICES_FILE", str(path))


def test_a_port_that_is_taken(otel_llm):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(
            otel_llm("demo", "--port", port),
            f"port {port} of 127.0.0.1 cannot be used (Address already in use)",
            "--port 0",
        )


WITHOUT = "import sys; sys.modules['click'] = sys.modules['rich'] = sys.modules['yaml'] = None; "


def test_without_the_extra():
    """``otel-llm`` of a plain installation says what to install."""
    script = WITHOUT + "from otel_llm.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "otel-llm: the command line needs click and rich and yaml: pip install 'otel-llm[cli]'\n"


def test_the_dashboard_without_the_extra():
    """A notebook's cell says what to install, too."""
    script = WITHOUT + "import otel_llm; otel_llm.instrument(); print(otel_llm.dashboard())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        env={**os.environ, "OTEL_LLM_METRICS_SERVER": "off"},
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "ImportError: dashboard() needs rich: pip install 'otel-llm[cli]'"


def test_a_closed_pipe_is_no_failed_check(serve):
    address = serve(cli_pages.busy().text()).address
    for arguments in (["check", address], ["top", address, "--once"], ["providers"]):
        command = " ".join([sys.executable, "-m", "otel_llm", *arguments])
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command} | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}"],
            capture_output=True, text=True, timeout=120, check=True, env={**os.environ, "TERM": "dumb"},
        )  # fmt: skip
        assert (done.stdout.strip(), done.stderr) == ("0", ""), arguments


@pytest.mark.parametrize("command", ["top", "check"])
def test_the_same_address_twice_is_refused(in_process, command):
    ran = in_process(command, "localhost:9464", "http://localhost:9464/metrics")
    assert ran.code == 2
    assert ran.err == "otel-llm: http://localhost:9464/metrics is named twice; name each address once\n"


@pytest.mark.parametrize(("typo", "meant"), [("tpo", "top"), ("docter", "doctor"), ("price", "prices")])
def test_a_command_that_there_is_not_suggests_one(in_process, typo, meant):
    ran = in_process(typo)
    assert ran.code == 2
    assert f"No such command '{typo}'; did you mean {meant}?" in ran.err
