"""``observe`` as a host takes it: from then on this process is ready for calls that no client library announces by its import."""

from __future__ import annotations

from .observe import observe, ready

__all__ = ["observe"]

ready()
