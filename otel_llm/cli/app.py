"""The group of commands; each is imported only when it is asked for."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from typing import Any

import click

from otel_llm.core.version import __version__

from .problems import Closed

COMMANDS = {
    "demo": "Watch a simulated service live its day: no keys, no Docker, no network.",
    "run": "Run a program with its calls watched, and print one line at its end: calls, errors, tokens, cost.",
    "gateway": "Take OTLP from services in any language, and count their calls.",
    "top": "The live dashboard of a service's LLM traffic, in the terminal.",
    "doctor": "What is installed, patched, configured, and what to fix.",
    "check": "Is an endpoint complete and scrapeable; would the alerts work.",
    "export": "Write Prometheus rules, Grafana dashboards, Alertmanager routes, Kubernetes objects.",
    "providers": "The client libraries that otel-llm watches.",
    "prices": "What a model costs, and what a call with given tokens would.",
    "notify": "Send a test notification to where alerts of the service itself go.",
    "report": "Who used and spent what, by day, month, provider, model and label.",
    "generate": "Rewrite the generated files of this repository (maintainers).",
}

HELP = """See, price and guard LLM traffic.

\b
  otel-llm demo                          a running example in your terminal, in 20 seconds
  opentelemetry-instrument python app.py start your own service; metrics appear on localhost:9464
  otel-llm run python script.py          the same for a script, with one line at its end
  otel-llm top                           watch it live
  otel-llm top host-a:9464 host-b:9464   several services, summed
  otel-llm top --once                    the same as plain text, for logs and CI
  otel-llm doctor                        what is patched, and what to fix
  otel-llm export prometheus rules/      recording and alerting rules

Exit codes: 0 nothing is wrong, 1 a check failed, 2 bad input or nothing to work on.
"""


class Lazy(click.Group):
    """A group whose commands live in modules of their own: a start costs only what is used."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise Closed from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but with a suggestion for a command that there is not."""
        name = args[0]
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        if name not in COMMANDS and not name.startswith("-") and near:
            raise click.UsageError(f"No such command {name!r}; did you mean {near[0]}?", ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"otel_llm.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="otel-llm")
def group() -> None:
    """Nothing of its own: the commands do the work."""


def run(arguments: list[str] | None = None) -> None:
    """Run the command line; a usage error is one line with exit code 2, as every other bad input."""
    try:
        code: Any = group.main(arguments, prog_name="otel-llm", standalone_mode=False)
        sys.stdout.flush()
    except (Closed, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try once more at its end
        raise SystemExit(0) from None
    except click.exceptions.Abort:
        raise SystemExit(130) from None
    except click.UsageError as error:
        where = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        words = " ".join(error.format_message().split())  # click lists choices on lines of their own
        click.echo(f"otel-llm: {words}{where}", err=True)
        raise SystemExit(2) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except OSError as error:
        if _output_works():
            raise
        click.echo(f"otel-llm: cannot write the output: {error.strerror}", err=True)
        raise SystemExit(2) from None
    raise SystemExit(code if isinstance(code, int) else 0)


def _output_works() -> bool:
    """Whether a line more can be written; if not, what is left is dropped, or Python would try once more at its end."""
    try:
        click.echo()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True
