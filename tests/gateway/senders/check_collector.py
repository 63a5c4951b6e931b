"""Three gateways behind a real Collector that routes by service, one of them killed and back: ``make gateway-collector``.

``tools/gateway_collector.sh`` builds the Collector of ``deploy/gateway/builder-routing.yml`` into a cache outside of the clone; the
configuration is the shipped one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE), str(HERE.parent)]

from gateway_lab import CHAT, request, span  # noqa: E402 - found there
from gateway_process import Process, free_port  # noqa: E402 - likewise

SERVICES = [f"service-{number}" for number in range(30)]
ROUNDS = 10
PATIENCE = 90.0
"""Seconds until a queue that backs off for 10 s at the most must be empty."""


def gateway_of(service: str) -> int:
    """Which of the three takes a service, by the shipped configuration: the first digit of the name's SHA-256."""
    digit = sha256(service.encode()).hexdigest()[0]
    return 0 if digit in "01234" else 1 if digit in "56789" else 2


@contextmanager
def collector(gateways: list[int]) -> Iterator[str]:
    """The address for OTLP/HTTP of a Collector in front of gateways on these ports for OTLP/gRPC."""
    binary = subprocess.check_output([ROOT / "tools" / "gateway_collector.sh"], text=True, timeout=3600).strip()
    port = free_port()
    environment = {
        **os.environ, "OTELCOL_HOST": "127.0.0.1", "OTELCOL_HTTP": str(port), "OTELCOL_GRPC": str(free_port()),
        **{f"GATEWAY_{number}": f"127.0.0.1:{rpc}" for number, rpc in enumerate(gateways, 1)},
    }  # fmt: skip
    config = ROOT / "deploy" / "gateway" / "routing.yml"
    with subprocess.Popen(
        [binary, f"--config={config}"], env=environment, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        lines = iter(running.stderr)
        said = ""
        for line in lines:
            said += line
            if "Everything is ready" in line:
                break
        else:
            raise AssertionError(said)
        reader = threading.Thread(target=lambda: [None for _ in lines], daemon=True)  # its pipe must not fill
        reader.start()
        yield f"http://127.0.0.1:{port}"
        running.terminate()
        assert running.wait(60) == 0
        reader.join(10)


def post(url: str, body: bytes) -> None:
    asked = urllib.request.Request(url + "/v1/traces", body, {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert answer.status == 200


def calls(gateway: Process) -> dict[str, float]:
    """Calls by service on a gateway's page."""
    lines = re.findall(r"^otel_llm_calls_total\{(.*)\} (\S+)$", gateway.scrape(), re.MULTILINE)
    counted: dict[str, float] = {}
    for labels, value in lines:
        named = re.search(r'service_name="([^"]*)"', labels)
        assert named is not None
        if float(value):
            counted[named[1]] = counted.get(named[1], 0.0) + float(value)
    return counted


def test_each_service_is_of_one_gateway_and_nothing_is_lost_with_one_killed_and_back(tmp_path: Path) -> None:
    rpcs = [free_port() for _ in range(3)]
    gateways = [Process(tmp_path / str(rpc), "--grpc", f"127.0.0.1:{rpc}") for rpc in rpcs]
    sent = 0
    with collector(rpcs) as url:
        for turn in range(ROUNDS):
            if turn == ROUNDS // 3:
                gateways[1].kill()
            if turn == 2 * ROUNDS // 3:
                gateways[1].start()
            for service in SERVICES:
                sent += 1
                post(url, request(span(sent, CHAT, trace=sent), service=service))
        waiting, rounds = threading.Event(), 0
        while sum(sum(calls(gateway).values()) for gateway in gateways) < sent:
            rounds += 1
            assert rounds < PATIENCE / 0.5, [calls(gateway) for gateway in gateways]
            waiting.wait(0.5)
    pages = [calls(gateway) for gateway in gateways]
    for number, page in enumerate(pages):
        assert page == {service: ROUNDS for service in SERVICES if gateway_of(service) == number}
    assert all(pages)
    for gateway in gateways:
        assert gateway.end() == 0
