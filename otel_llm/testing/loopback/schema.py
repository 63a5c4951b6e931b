"""The smallest value that a JSON schema allows, so that structured answers and tool arguments parse in the real clients."""

from __future__ import annotations

from typing import Any

from .exchange import JSON

_SCALARS: dict[str, Any] = {"string": "Paris", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def example(schema: JSON, root: JSON | None = None) -> Any:
    """An instance of ``schema``: first choices of enums and unions, every property of an object, one item of an array."""
    root = schema if root is None else root
    if "$ref" in schema:
        return example(_resolve(schema["$ref"], root), root)
    if "const" in schema or schema.get("enum"):
        return schema.get("const", (schema.get("enum") or [None])[0])
    for union in ("anyOf", "oneOf", "allOf"):
        if schema.get(union):
            return example(schema[union][0], root)
    return _typed(schema, root)


def _typed(schema: JSON, root: JSON) -> Any:
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    kind = str(kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        return {name: example(part, root) for name, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [example(schema.get("items") or {}, root)]
    return _SCALARS.get(kind)


def _resolve(reference: str, root: JSON) -> JSON:
    node: Any = root
    for step in reference.removeprefix("#/").split("/"):
        node = node.get(step, {})
    return node if isinstance(node, dict) else {}
