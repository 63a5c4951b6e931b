"""What a request lets expect of its answer: JSON, and calls of tools by the names that it offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from otel_llm.core.model import Expected

from ._read import attr, text

KEYS = frozenset((
    "tools", "functions", "response_format", "text", "format", "output_format", "output_config", "toolConfig",
))  # fmt: skip
"""Parts of a body that ask for JSON or offer tools."""
_JSON = frozenset(("json_object", "json_schema", "json"))


def expected(body: Mapping[str, Any]) -> Callable[[], Expected] | None:
    """What a body asks for, to be read when the answer is there; None where it asks for neither JSON nor tools."""
    for key in KEYS:
        if body.get(key):
            return lambda: Expected(
                _asks_for_json(body), _tools(body.get("tools") or body.get("functions") or _bedrock(body))
            )
    return None


def expected_of_config(config: Any) -> Callable[[], Expected] | None:
    """The same of a configuration of Google's, an object or a mapping."""
    if config is None or not (
        attr(config, "tools") or attr(config, "response_mime_type") or attr(config, "response_schema")
    ):
        return None
    asks = attr(config, "response_mime_type") == "application/json" or attr(config, "response_schema") is not None
    return lambda: Expected(bool(asks), _tools(attr(config, "tools")))


def _bedrock(body: Mapping[str, Any]) -> Any:
    return attr(body.get("toolConfig"), "tools")


def _asks_for_json(body: Mapping[str, Any]) -> bool:
    format_ = body.get("response_format") or body.get("output_format")
    nested = attr(body.get("text"), "format") or attr(body.get("output_config"), "format")
    if any(text(attr(one, "type")) in _JSON for one in (format_, nested)):
        return True
    bare = body.get("format")  # Ollama's: a word, or a schema
    return bare == "json" or isinstance(bare, dict) or isinstance(format_, type)


def _tools(offered: Any) -> frozenset[str] | None:
    """Names of all tools; None where one of them cannot be read."""
    if not isinstance(offered, Iterable) or isinstance(offered, str):
        return None
    names: list[str] = []
    for tool in offered:
        own = list(_names(tool))
        if not own:
            return None
        names += own
    return frozenset(names) or None


def _names(tool: Any) -> Iterable[str]:
    declared = attr(tool, "function_declarations") or attr(tool, "functionDeclarations")
    for one in declared if isinstance(declared, list) else (tool,):
        name = (
            attr(one, "function", "name")
            or attr(one, "toolSpec", "name")
            or attr(one, "name")
            or getattr(one, "__name__", None)
        )
        if isinstance(name, str) and name:
            yield name
