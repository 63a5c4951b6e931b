"""Runs Python snippets, each in a fork of a process that has imported the slow libraries once.

``[[id, [code, ...]], ...]`` comes in as JSON, ``{id: [exit status, output]}`` goes out. A snippet may use what the ones before
it on its page made, so these come first.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from typing import Any
from unittest.mock import MagicMock

import anthropic
import fastapi  # noqa: F401 - imported before the forks
import flask  # noqa: F401 - likewise
import openai  # noqa: F401 - likewise

STAND_INS = (
    "client",
    "app",
    "get_wsgi_application",
    "get_asgi_application",
    "ask",
    "ask_the_other_model",
    "prompt",
    "URL",
)


def taken_for_granted() -> dict[str, Any]:
    """Names that a page uses without making them: a client, an application, what a web framework brings, us."""
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    import otel_llm
    from otel_llm.middleware import ASGIMiddleware, WSGIMiddleware

    stand_ins = {name: MagicMock() for name in STAND_INS}
    known = (otel_llm, ASGIMiddleware, WSGIMiddleware, DispatcherMiddleware)
    return {"__name__": "__main__", **stand_ins, **{thing.__name__: thing for thing in known}}


def run(name: str, codes: list[str]) -> tuple[int, str]:
    """The exit status and the output of a snippet, after those before it."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            status = 1
            try:
                names = taken_for_granted()
                for code in codes:
                    exec(compile(code, name, "exec"), names)
                status = 0
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode()


if __name__ == "__main__":
    assert anthropic.__version__
    json.dump({name: run(name, codes) for name, codes in json.load(sys.stdin)}, sys.stdout)
