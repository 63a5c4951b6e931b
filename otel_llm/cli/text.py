"""The dashboard as text, from code: what ``otel-llm top --once`` prints of this process's service."""

from __future__ import annotations

import io
import time
from dataclasses import replace

from otel_llm import runtime

from . import lacking


def dashboard(width: int = 100) -> str:
    """What ``otel-llm top --once`` prints, for a log or a notebook; ``width`` in columns. Empty where nothing is watched.

    Raises ImportError without the extra (``pip install 'otel-llm[cli]'``), and OSError where no worker leads just now.
    """
    running = runtime.current()
    if running is None:
        return ""
    if missing := lacking("rich"):
        raise ImportError(f"dashboard() {missing}")
    from rich.console import Console  # noqa: PLC0415 - an extra

    from . import screen, view  # noqa: PLC0415 - as above
    from .panels import Frame  # noqa: PLC0415 - as above
    from .samples import parse  # noqa: PLC0415 - as above

    page = parse(running.member.text(openmetrics=True).decode(), time.time(), "this service")
    page = replace(page, status=running.member.status())
    console = Console(width=width, file=io.StringIO(), color_system=None)
    frame = Frame(view.read(page, ("this service",)), None, width, screen.glyphs_for(console))
    with console.capture() as captured:
        console.print(screen.render(frame, screen.State(), None))
    return captured.get()
