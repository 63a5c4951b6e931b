"""The files below grafana/: every board, reading records or raw metrics in either vocabulary, and what provisions them."""

from __future__ import annotations

from otel_llm.core.objectives import DEFAULT
from otel_llm.ops.boards import boards
from otel_llm.ops.dashboards import FOLDERS, PROVIDER, PROVISIONING, asked

from .sdk import to_json


def generated(raw: str | None = None) -> dict[str, str]:
    """Every file of one variant below ``grafana/``, by its path from the repository's root: see ``asked``.

    Raises:
        KeyError: for a vocabulary that there is not.

    """
    q = asked(raw)
    files = {f"grafana/{FOLDERS[raw]}/{board.uid}.json": to_json(board, q) for board in boards(q, DEFAULT)}
    return files | {f"grafana/{PROVISIONING}": PROVIDER}
