"""The names that one model has: what a client or a server wrote, turned into what a price list may know."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from otel_llm.core.provider_names import listed

LONGEST = 256  # characters; what is longer is no model's name, and names are user input

GATEWAYS = frozenset({"litellm", "portkey", "helicone"})  # they pass calls on; the model's prefix says to whom
HUGGING_FACE = frozenset({"huggingface", "hugging_face", "hf"})

_ARN = re.compile(r"^arn:[^/]*/")  # what is left is a foundation model or an inference profile
_RESOURCE = re.compile(r"^(?:.*/)?models/")  # Google's: projects/p/locations/l/publishers/google/models/...
_REGION = re.compile(r"^(?:us-gov|us|eu|apac|ap|au|ca|jp|in|sa|me|af|global)\.")
_REVISION = re.compile(r"(?:-v\d+)?(?::\d+k?){1,2}$")  # Bedrock's: -v1:0, -v1:0:200k
_ROUTING = re.compile(r":(?:nitro|floor|exacto)$")
_AT = re.compile(r"@[a-z0-9.-]+$")
_DATE = re.compile(r"[-_@](20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?=$|-v\d|:)")


def provider_id(provider: str, model: str) -> tuple[str, str]:
    """genai-prices' id for a provider, and the model's name as that provider knows it."""
    provider, model = provider.lower().strip(), model.lower().strip()
    if provider in GATEWAYS and "/" in model:
        provider, _, model = model.partition("/")
    if provider in HUGGING_FACE and ":" in model:
        model, _, host = model.rpartition(":")
        provider = f"huggingface_{host}"
    return listed(provider), model


def forms(model: str) -> Iterator[str]:
    """The names to look for, most exact first; each next one has lost a decoration that does not change the price.

    A fine-tuned model (``ft:base:owner::id``) stays what it is: it has its own price, or none.
    """
    for name in (model,) if model.startswith("ft:") else _bared(model):
        yield name
        if (dashed := _DATE.sub(r"-\1-\2-\3", name)) != name:
            yield dashed  # gateways write -20251211 where price lists have -2025-12-11


def _bared(model: str) -> Iterator[str]:
    """``model`` and what is left of it as one wrapping after the other comes off."""
    model = _ARN.sub("", model)
    yield model
    for wrapping in (_RESOURCE, _ROUTING):
        model = yield from _without(wrapping, model)
    while "/" in model:
        model = model.partition("/")[2]
        yield model
    for wrapping in (_REGION, _REVISION, _DATE, _AT):
        model = yield from _without(wrapping, model)


def _without(wrapping: re.Pattern[str], model: str) -> Generator[str, None, str]:
    bare = wrapping.sub("", model, count=1)
    if not bare or bare == model:
        return model
    yield bare
    return bare
