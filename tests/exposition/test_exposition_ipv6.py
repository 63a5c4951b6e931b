"""A machine whose loopback has an address by IPv6 only, as an IPv6-only container has it: the default host says what helps."""

from __future__ import annotations

import sys
from pathlib import Path

import confined
import pytest

LOOPBACK = """
import fcntl, socket, struct
up, address = 0x8914, 0x8916  # SIOCSIFFLAGS, SIOCSIFADDR of linux/sockios.h
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    fcntl.ioctl(one, up, struct.pack("16sH14x", b"lo", 0x49))
    nothing = struct.pack("16sHH4s8x", b"lo", socket.AF_INET, 0, socket.inet_aton("0.0.0.0"))
    fcntl.ioctl(one, address, nothing)  # takes its IPv4 address away
"""
SERVES = """
from otel_llm.core.config import Config
from otel_llm.exposition.server import ServeError, serve
for host in (Config().host, "::1"):
    try:
        server = serve(Config(host=host, port=0), lambda accept: ("text/plain", b""))
        print("serves", host)
        server.close()
    except ServeError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("hosts", "why"),
    [
        ("127.0.0.1 localhost\n", "cannot listen on localhost:0: Cannot assign requested address"),
        ("::1 ip6-localhost\n", "OTEL_EXPORTER_PROMETHEUS_HOST='localhost' is no address here: "),
        ("::1 localhost\n", "serves localhost"),
    ],
)
def test_where_localhost_has_no_address_the_remedy_is_named(tmp_path: Path, hosts: str, why: str) -> None:
    confined.needed()
    for name, text in (("hosts", hosts), ("nsswitch.conf", "hosts: files\n"), ("program.py", LOOPBACK + SERVES)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    bind = f"mount --make-rprivate / && for one in hosts nsswitch.conf; do mount --bind {tmp_path}/$one /etc/$one; done"
    process = confined.start(
        "bash", "-c", f'{bind} && exec "$@"', "-", sys.executable, tmp_path / "program.py", namespaces=("--mount", "--net")
    )  # fmt: skip
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    first, second = output.splitlines()
    assert first.startswith(why)
    assert first.endswith(
        "" if "serves" in why else "; where there is IPv6 only, set OTEL_EXPORTER_PROMETHEUS_HOST to ::1"
    )
    assert second == "serves ::1"
