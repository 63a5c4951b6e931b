"""Two eventlet workers on one socket, forked by a parent that instruments itself after eventlet's patch."""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import os  # noqa: E402
import sys  # noqa: E402

from eventlet import wsgi  # noqa: E402
from service_app import wsgi as application  # noqa: E402

listener = eventlet.listen(("127.0.0.1", int(sys.argv[1])))
for _ in range(2):
    if os.fork() == 0:
        eventlet.hubs.use_hub()
        break
wsgi.server(listener, application, log_output=False)
