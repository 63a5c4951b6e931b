"""The spans' page names every attribute that the code can set."""

from __future__ import annotations

import re

import pytest
from docs_pages import ROOT

PAGE = (ROOT / "docs" / "spans.md").read_text(encoding="utf-8")
WRITERS = ("core/semconv/__init__.py", "core/semconv/table.py", "outputs/messages.py", "outputs/events.py", "outputs/spans.py",
    "middleware/request.py", "reliability/breakers.py", *(
    f"clients/{path.name}" for path in (ROOT / "otel_llm" / "clients").glob("*.py") if path.name != "_modules.py"))  # fmt: skip
NAME = re.compile(r'f?"((?:gen_ai|otel_llm|openai|aws|http|error|exception|server)(?:\.[a-z_{}]+)+)"')
NO_ATTRIBUTES = re.compile(r"aws\.(bedrock|sagemaker)$|.*completions$|openai\.(chat|resources).*|.*\.py$")


def written() -> set[str]:
    found = {name for path in WRITERS for name in NAME.findall((ROOT / "otel_llm" / path).read_text(encoding="utf-8"))}
    return {
        name
        for name in found
        if not NO_ATTRIBUTES.match(name) and not name.startswith("http.response.start") and "{attribute}" not in name
    }


@pytest.mark.parametrize("name", sorted(written()))
def test_an_attribute_is_on_the_page(name: str) -> None:
    """In full, or by its end after one of the same kind: ``gen_ai.request.temperature``, ``.top_p``."""
    kind, _, last = name.replace("{key}", "<key>").rpartition(".")
    assert f"`{kind}.{last}`" in PAGE or (f"`{kind}." in PAGE and f"`.{last}`" in PAGE), name
