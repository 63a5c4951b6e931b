"""Other instrumentations have environments of their own: ``python tests/matrix.py beside beside-v2`` runs what is here."""

from __future__ import annotations

from importlib import metadata

from beside_others import OTHERS


def _installed(distribution: str) -> bool:
    try:
        return bool(metadata.version(distribution))
    except metadata.PackageNotFoundError:
        return False


collect_ignore = [] if any(_installed(other.distribution) for other in OTHERS.values()) else ["test_beside_others.py"]
