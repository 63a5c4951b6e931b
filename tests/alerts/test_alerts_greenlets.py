"""Anomalies reach their handlers where gevent or eventlet has put its own threads, queues and sockets in place."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

PROGRAM = """
import sys
patch, when = sys.argv[1:]
def patched():
    if patch == "gevent":
        from gevent import monkey
        monkey.patch_all()
    else:
        import eventlet
        eventlet.monkey_patch()
if when == "before":
    patched()
from otel_llm.outputs import alerts
from otel_llm.outputs.alerts import Anomaly, on_anomaly
if when == "after":
    patched()
import asyncio, http.server, subprocess, time, urllib.request
server = subprocess.Popen([sys.executable, "-c", '''
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
'''], stdout=subprocess.PIPE)
port = int(server.stdout.readline())
heard = []
async def waits(anomaly):
    await asyncio.sleep(0.05)
    heard.append("async")
def asks(anomaly):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        heard.append(answer.status)
def sleeps(anomaly):
    time.sleep(0.05)
    heard.append("slept")
for handler in (lambda anomaly: heard.append("plain"), sleeps, asks, waits):
    on_anomaly(handler)
import _thread
alerts.unpatched.start_thread(lambda: alerts.deliver(Anomaly(type="cost_spike", severity="critical", value=1.0)))
end = time.monotonic() + 30
while len(heard) < 4 and time.monotonic() < end:
    time.sleep(0.02)
server.kill()
print(sorted(map(str, heard)))
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("patch", ["gevent", "eventlet"])
def test_all_kinds_of_handlers_are_called(patch: str, when: str) -> None:
    assert importlib.util.find_spec(patch) is not None
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, patch, when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.stdout.strip() == "['204', 'async', 'plain', 'slept']", done.stderr
