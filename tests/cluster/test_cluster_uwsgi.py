"""uWSGI, which forks without asking Python: every worker serves, each call is counted once, or one warning says what to add."""

from __future__ import annotations

import re

import pytest
from cluster_lab import Service, counted, until

SERVER = ("uwsgi", "--master", "--processes", "3", "--need-app", "--die-on-term", "--module", "service_app:wsgi")
MODES = {
    "prefork": ("--enable-threads",),
    "lazy": ("--enable-threads", "--lazy-apps"),
    "threads": ("--threads", "4"),
    "no threads": (),
    "no threads, lazy": ("--lazy-apps",),
}


@pytest.mark.parametrize("mode", MODES)
def test_each_call_is_counted_once(service: Service, mode: str) -> None:
    service.environment["SERVICE_INSTRUMENTS_ITSELF"] = "1"
    service.start(*SERVER, "--http-socket", f"127.0.0.1:{service.port}", *MODES[mode], instrument=False)
    service.ready()
    assert service.send(40) == 40
    served: set[int] = set()
    until(lambda: served.update(service.workers()) or len(served) == 3)  # every worker does, though not at every moment
    mounted = until(lambda: service.get("/mounted"))
    assert counted(mounted) == 40
    warnings = re.findall("add --enable-threads", service.log.read_text())
    if mode.startswith("no threads"):
        assert 1 <= len(warnings) <= 3  # one in each process that has made a call
    else:
        assert warnings == []
        until(lambda: service.calls() == 40)
