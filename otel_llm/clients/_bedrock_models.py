"""Names of Bedrock's models: ids, inference profiles, and the ARNs of either."""

from __future__ import annotations

from typing import Any

from ._read import text

# Kinds of resources that are called as a model is, and have the model's id as their own.
_NAMED = ("foundation-model", "inference-profile", "default-prompt-router")
_MEANT = (
    ("embed", "embeddings"), ("marengo", "embeddings"), ("rerank", "rerank"), ("image", "image_generation"),
    ("stability.", "image_generation"), ("canvas", "image_generation"), ("nova-reel", "video_generation"),
)  # fmt: skip


def model_of(given: Any) -> str | None:
    """The model's id. Of an ARN whose resource has a name of its own (a provisioned model, an application's inference profile,
    a custom prompt router) kind and name: what it stands for only the account knows."""
    name = text(given)
    if name is None or not name.startswith("arn:"):
        return name
    resource = name.split(":", 5)[-1]
    kind, _, own = resource.partition("/")
    return own if kind in _NAMED and own else resource or None


def operation_of(model: str | None, default: str = "chat") -> str:
    """What InvokeModel does with a model, by its name."""
    return next((operation for part, operation in _MEANT if part in (model or "")), default)
