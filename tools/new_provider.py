"""``python -m tools.new_provider NAME --package PACKAGE``: the files that a new client library begins with, and its registration."""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from importlib import metadata
from pathlib import Path
from string import Template

HELP = """What a new client library begins with: a declaration, its line in the contract suite, and both registrations.

The library must be installed. What is written is right for a client whose answers have OpenAI's shape; for others it is the place to begin.
"""
METHODS = Template('''\
"""$title: chat."""

from __future__ import annotations

from typing import Any

from otel_llm.calls.declarations import Args, ClientLibrary, Kwargs, Patch
from otel_llm.core.model import Reader, Request, Response, Usage

from . import _hosts
from ._openai_shape import PARAMETERS
from ._read import attr, count, items, parameters, text


def read_reply(reply: Any, into: Response) -> None:
    """A whole answer. Input includes cached tokens, output includes thinking; what the reply lacks stays None."""
    into.model, into.id = text(attr(reply, "model")), text(attr(reply, "id"))
    prompt, answer = count(attr(reply, "usage", "prompt_tokens")), count(attr(reply, "usage", "completion_tokens"))
    if prompt is not None or answer is not None:
        into.usage = Usage(prompt, answer)
    for choice in items(attr(reply, "choices")):
        if (reason := text(attr(choice, "finish_reason"))) is not None:
            into.finish_reasons.append(reason)


def read_part(part: Any, into: Response) -> bool:
    """A part of a streamed answer; whether it carries output."""
    read_reply(part, into)
    return any(attr(choice, "delta", "content") for choice in items(attr(part, "choices")))


CHAT = Reader(read_reply, read_part)


def read_request(client: Any, _: Args, kwargs: Kwargs) -> Request | None:
    """What a call asks for; None for one that is not to be watched."""
    name, host, port = _hosts.behind_text(str(client.base_url), "$name")
    return Request(
        name, "chat", text(kwargs.get("model")), CHAT, host, port, bool(kwargs.get("stream")), parameters(kwargs, PARAMETERS)
    )  # fmt: skip


library = ClientLibrary(
    name="$name",
    distribution="$distribution",
    requires=">=$least",
    tested=("$version",),
    operations=("chat",),
    hooks=(Patch("$package", ("$client.$method", "$async_client.$method"), read_request),),
)
''')
STAINLESS = Template('''\
"""$title: OpenAI's chat."""

from __future__ import annotations

from otel_llm.calls.declarations import ClientLibrary

from ._openai_api import describer
from ._stainless import hooks

library = ClientLibrary(
    name="$name",
    distribution="$distribution",
    requires=">=$least",
    tested=("$version",),
    operations=("chat",),
    hooks=hooks("$package", describer("$name")),
)
''')
TEST = Template('''\
"""$title under the contract."""

from __future__ import annotations

from typing import Any

import $package
from contract import Contract, Kit

MESSAGES: Any = [{"role": "user", "content": "hi"}]


def ask(client: Any, model: str) -> Any:
    return client.$call(model=model, messages=MESSAGES)


def ask_streamed(client: Any, model: str) -> Any:
    return client.$call(model=model, messages=MESSAGES, stream=True$options)


class Test$class_name(Contract):
    kit = Kit(
        library="$name",
        provider="$name",
        switches=False,  # until its Patch has a ``switch``, with which a guard sends calls to another model
        make=lambda url: $package.$client(base_url=$url, api_key="test-key"),
        make_async=lambda url: $package.$async_client(base_url=$url, api_key="test-key"),
        plain=ask,
        plain_async=ask,
        stream=ask_streamed,
        stream_async=ask_streamed,
        thinking=None,  # (84, 64) once thinking tokens are read
        cached=None,  # (100, 30, 10) once cached tokens are read
        retried=None,  # "fail-429-2" once retries are counted
        content=False,  # True, as by default, once messages are read
    )
''')


class RefusedError(Exception):
    """Bad input: a line that says what, and what is allowed."""


def main(arguments: list[str]) -> int:
    """Write the files; 2 for bad input, and then nothing is written."""
    parser = argparse.ArgumentParser("python -m tools.new_provider", description=HELP)
    parser.add_argument(
        "name", help="what it is declared under, as the conventions name the provider: groq, mistral_ai"
    )
    parser.add_argument("--package", required=True, help="what is imported, as cerebras.cloud.sdk")
    parser.add_argument("--distribution", help="what is installed (default: the package's name)")
    parser.add_argument("--client", default="Client", help="the client's class (default: Client)")
    parser.add_argument("--async-client", default="AsyncClient", help="its asynchronous twin (default: AsyncClient)")
    parser.add_argument("--method", default="chat", help="the method that calls pass through (default: chat)")
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (default: here)")
    given = parser.parse_args(arguments)
    try:
        written = scaffold(given)
    except RefusedError as refused:
        sys.stderr.write(f"new_provider: {refused}\n")
        return 2
    sys.stdout.write("".join(f"wrote {path}\n" for path in written))
    sys.stdout.write(f"next: python -m pytest {written[1]}   (docs/add-a-provider.md goes on from there)\n")
    return 0


def scaffold(given: argparse.Namespace) -> list[str]:
    """The three files by their paths, all written or none. Raises ``RefusedError``."""
    name, root = given.name, given.root
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise RefusedError(f"{name!r} is no module's name: lower case letters, digits and _")
    module, test = f"otel_llm/clients/{name}.py", f"tests/contract/test_contract_{name}.py"
    names = "otel_llm/clients/__init__.py"
    if not (root / names).is_file():
        raise RefusedError(
            f"{root.resolve()} is not the repository of otel-llm: run it at its top level, or give --root"
        )
    if taken := [path for path in (module, test) if (root / path).exists()]:
        raise RefusedError(f"{taken[0]} is there already")
    stainless = _has(f"{given.package}._base_client")
    facts = _facts(given, stainless=stainless)
    files = {
        module: (STAINLESS if stainless else METHODS).substitute(facts),
        test: TEST.substitute(facts),
        names: _registered((root / names).read_text(), r'NAMES = \(\n(?:    ".*",\n)+', f'    "{name}",\n'),
    }
    for path, text in files.items():
        (root / path).write_text(text, encoding="utf-8")
    return list(files)


def _facts(given: argparse.Namespace, *, stainless: bool) -> dict[str, str]:
    """What the templates ask for."""
    distribution = given.distribution or given.package.replace(".", "-")
    version = _version(distribution)
    return {
        "name": given.name,
        "title": given.name.replace("_", " ").capitalize(),
        "class_name": given.name.title().replace("_", ""),
        "package": given.package,
        "distribution": distribution,
        "version": version,
        "least": ".".join(version.split(".")[:2]),
        "client": given.client,
        "async_client": given.async_client,
        "method": given.method,
        "call": "chat.completions.create" if stainless else given.method,
        "url": 'f"{url}/v1"',
        "options": ', stream_options={"include_usage": True}' if stainless else "",
    }


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        raise RefusedError(
            f"{distribution} is not installed here: install it, or name it with --distribution"
        ) from None


def _has(module: str) -> bool:
    """Whether the package is importable, and has this module. Raises ``RefusedError`` where the package is not there."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError as error:
        package = module.rpartition(".")[0]
        if error.name == module or importlib.util.find_spec(package) is not None:
            return False
        raise RefusedError(f"{package} cannot be imported here") from None


def _registered(text: str, table: str, line: str) -> str:
    """``text`` with ``line`` at the end of the lines that match ``table``."""
    match = re.search(table, text)
    if match is None:
        raise RefusedError(f"there is no place for {line.strip()!r} any more: no text matches {table!r}")
    return text[: match.end()] + line + text[match.end() :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
