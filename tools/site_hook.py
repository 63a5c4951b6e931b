"""What mkdocs asks for each page: names and options in code, such as ``otel-llm`` and ``--by``, stay in one line."""

from __future__ import annotations

import re

_CODE = re.compile(r"<code>([^<]{1,120})</code>")
_NAME = re.compile(r"(?<![\w./-])(?=[\w./]*-)[\w./-]{2,34}(?![\w./-])")  # not longer than a line of a phone


def on_page_content(html: str, **_: object) -> str:
    """``html`` with such names marked; assets/site.css keeps what is marked together."""
    return _CODE.sub(lambda code: _NAME.sub(r'<span class="name">\g<0></span>', code[0]), html)
