from __future__ import annotations
from typing import Any
Component = Explanation = object
def explain(*a: Any, **k: Any) -> None: ...
