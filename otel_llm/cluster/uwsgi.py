"""uWSGI: whether threads of ours may run in this process, for its server forks and holds the interpreter without asking Python."""

from __future__ import annotations

import sys
from typing import Any

from otel_llm.core import fork

_THREADS = ("enable-threads", "threads", "gevent", "asyncio", "gevent-monkey-patch")


def is_master() -> bool:
    """Whether this is the process that loads the application and forks the workers: a thread of it would hold them up for ever."""
    server = sys.modules.get("uwsgi")
    return server is not None and server.worker_id() == 0


def lacks_threads() -> bool:
    """Whether threads only run while a request does."""
    server = sys.modules.get("uwsgi")
    options: Any = getattr(server, "opt", {})
    given = {name.decode() if isinstance(name, bytes) else name for name in options}
    return server is not None and not given & set(_THREADS)


def call_in_workers() -> None:
    """Have each worker notice that it was forked, as soon as it is."""
    server: Any = sys.modules.get("uwsgi")
    decorators: Any = sys.modules.get("uwsgidecorators")
    if decorators is not None:
        decorators.postfork_chain.append(fork.check)
        return
    before = getattr(server, "post_fork_hook", None)

    def hook() -> None:
        fork.check()
        if before is not None:
            before()

    server.post_fork_hook = hook
