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
import asyncio, http.server, os, requests, subprocess, time, urllib.request
from otel_llm.core.config import Config
from otel_llm.outputs import notifications
server = subprocess.Popen([sys.executable, "-c", '''
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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
session = requests.Session()
def keeps_a_connection(anomaly):
    heard.append(f"kept {session.get(f'http://127.0.0.1:{port}/', timeout=20).status_code}")
class Notified(notifications._Notifier):
    def __call__(self, anomaly):
        super().__call__(anomaly)
        heard.append("not notified" if self.warned else "notified")
notifications._Notifier = Notified
for handler in (lambda anomaly: heard.append("plain"), sleeps, asks, waits, keeps_a_connection):
    on_anomaly(handler)
url = f"json://127.0.0.1:{port}/"
notifications.start(Config(notify_warning=(url,), notify_critical=(url, url)))
def deliver(number):
    anomaly = Anomaly(type=f"cost_spike_{number}", severity="critical", value=1.0)
    alerts.unpatched.start_thread(lambda: alerts.deliver(anomaly))
    end = time.monotonic() + 60
    while len(heard) < 7 * number and time.monotonic() < end:
        time.sleep(0.02)
    if len(heard) != 7 * number:
        sys.exit(str(heard))
    print(sorted(map(str, heard[7 * (number - 1):])))
    return len(os.listdir("/proc/self/fd"))
opened = [deliver(number) for number in (1, 2, 3)][0]
end = time.monotonic() + 30
while len(os.listdir("/proc/self/fd")) > opened and time.monotonic() < end:
    time.sleep(0.02)  # a handler has said so before its connection is closed
print(len(os.listdir("/proc/self/fd")) <= opened)
server.kill()
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("patch", ["gevent", "eventlet"])
def test_all_kinds_of_handlers_are_called_each_time(patch: str, when: str) -> None:
    assert importlib.util.find_spec(patch) is not None
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, patch, when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    each = ["204", "async", "kept 204", "notified", "notified", "plain", "slept"]
    assert done.stdout.splitlines() == [str(each)] * 3 + ["True"], done.stderr
