"""What the commands share about where they print to and which service they mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console, RenderableType

from otel_llm.core.config import Config

from .problems import Closed

PLAIN_WIDTH = 120  # columns, where no terminal says otherwise


def default_url(config: Config | None = None) -> str:
    """Where a service with this environment would serve."""
    config = Config.from_env() if config is None else config
    host = "localhost" if config.host in ("", "0.0.0.0", "::") else config.host  # noqa: S104 - asked, not bound
    return f"{'https' if config.tls_cert else 'http'}://{f'[{host}]' if ':' in host else host}:{config.port}/metrics"


@contextmanager
def busy(what: str) -> Iterator[None]:
    """While the block runs, a line on the terminal says what takes its time. Where standard error is no terminal, nothing is written."""
    if not sys.stderr.isatty():
        yield
        return
    click.echo(f"{what} ...", err=True, nl=False)
    try:
        yield
    finally:
        click.echo("\r\x1b[K", err=True, nl=False)


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        """Rich would end with exit code 1, which says that a check has failed."""
        raise Closed


def screen_for(width: int | None) -> Console:
    """A console for standard output: of the terminal's width, or a fixed one where there is no terminal."""
    console = _Screen(width=width, highlight=False, emoji=False, markup=False, soft_wrap=False)
    if width is None and not console.is_terminal:
        console = _Screen(width=PLAIN_WIDTH, highlight=False, emoji=False, markup=False, soft_wrap=False)
    return console


def is_live(console: Console) -> bool:
    """Whether a view can be drawn over and over: not on a terminal that only writes on, as that of an editor."""
    return console.is_terminal and not console.is_dumb_terminal


def put(console: Console, what: RenderableType) -> None:
    """Print ``what``; in a file or a pipe, without the blanks that rich fills lines up with."""
    if console.is_terminal:
        console.print(what)
        return
    with console.capture() as captured:
        console.print(what)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
