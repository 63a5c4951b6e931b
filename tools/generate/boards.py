"""The files below grafana/: every board in both vocabularies, and what provisions them."""

from __future__ import annotations

from otel_llm.core.objectives import DEFAULT
from otel_llm.ops.boards import boards
from otel_llm.ops.boards.queries import Queries
from otel_llm.ops.dashboards import FOLDERS, PROVIDER, PROVISIONING
from otel_llm.ops.promql import VOCABULARIES

from .sdk import to_json


def generated(vocabulary: str = "released") -> dict[str, str]:
    """Every file below ``grafana/`` for ``vocabulary``, by its path from the repository's root.

    Raises:
        KeyError: for a vocabulary that there is not.

    """
    spoken = VOCABULARIES[vocabulary]
    files = {
        f"grafana/{FOLDERS[vocabulary]}/{board.uid}.json": to_json(board, Queries(spoken))
        for board in boards(spoken, DEFAULT)
    }
    return files | {f"grafana/{PROVISIONING}": PROVIDER}
