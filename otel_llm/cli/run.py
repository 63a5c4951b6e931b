"""``otel-llm run``: a program under opentelemetry-instrument that sums up its calls at its end."""

from __future__ import annotations

import shutil
import sys

import click

from otel_llm.core.config import overridden

from .problems import Problem

HELP = """Run COMMAND with its LLM calls watched, and sum them up in one line at its end.

\b
  otel-llm run python script.py
  otel-llm run python -m package --an-option
  OTEL_TRACES_EXPORTER=otlp otel-llm run python script.py    spans are sent as well

The same as OTEL_LLM_SUMMARY=exit opentelemetry-instrument COMMAND. The line goes to standard error; the exit code is the program's.
"""


@click.command("run", help=HELP, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("words", metavar="COMMAND [ARGS]...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(words: tuple[str, ...]) -> None:
    if shutil.which(words[0]) is None:
        raise Problem(f"there is no program {words[0]!r} on the PATH; to run a script: otel-llm run python script.py")
    from opentelemetry.instrumentation import auto_instrumentation  # noqa: PLC0415 - 100 ms

    sys.argv = ["opentelemetry-instrument", *words]
    with overridden({"OTEL_LLM_SUMMARY": "exit"}):
        auto_instrumentation.run()  # this process becomes the program
