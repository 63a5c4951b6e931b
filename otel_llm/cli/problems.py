"""How a command says that it cannot go on: one line, what and what to do, exit code 2."""

from __future__ import annotations

import click


class Problem(click.ClickException):
    """Ends the command with ``otel-llm: <message>`` on standard error and exit code 2."""

    exit_code = 2

    def show(self, _file: object = None) -> None:
        click.echo(f"otel-llm: {self.format_message()}", err=True)


class Closed(Exception):  # noqa: N818 - nothing is wrong: whoever read our output has read enough
    """The other end of the pipe has closed."""


class Failed(click.exceptions.Exit):
    """Ends the command with exit code 1: it ran, and what it looked at is not in order."""

    def __init__(self) -> None:
        super().__init__(1)
