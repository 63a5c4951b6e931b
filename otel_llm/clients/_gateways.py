"""What a server says of itself in the headers of a reply, where its host does not show who it is: its name, and what a call cost.

LiteLLM: https://docs.litellm.ai/docs/proxy/response_headers. A price is believed in whole replies only: the headers of a stream
go out before there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from otel_llm.core.model import Request, Response, Usage

from . import _hosts

HeaderReader = Callable[[Mapping[str, str], Request, Response], None]

PRICES = (
    "x-litellm-response-cost", "x-portkey-cost", "x-portkey-cost-usd", "helicone-cost", "helicone-cost-usd", "x-helicone-cost-usd",
    "cf-aig-cost", "cf-aig-cost-usd", "x-openrouter-cost",
)  # fmt: skip
"""Headers that have the price of a call in US dollars."""
_GATEWAYS = frozenset(("openrouter", "cloudflare", "vercel", "portkey", "helicone", "litellm", "openai_compatible"))
_MARKS = (("x-litellm-", "litellm"), ("x-portkey-", "portkey"), ("helicone-", "helicone"), ("cf-aig-", "cloudflare"))
_SERVERS = (
    ("litellm", "litellm"), ("vllm", "vllm"), ("sglang", "sglang"), ("llama.cpp", "llama_cpp"), ("llamacpp", "llama_cpp"),
    ("llama-cpp", "llama_cpp"), ("ollama", "ollama"), ("lm studio", "lm_studio"), ("lmstudio", "lm_studio"),
    ("text-generation-inference", "tgi"), ("tgi", "tgi"), ("localai", "localai"), ("xinference", "xinference"),
    ("tensorrt", "tensorrt_llm"), ("triton", "triton"), ("lmdeploy", "lmdeploy"), ("mlx", "mlx"), ("aphrodite", "aphrodite"),
)  # fmt: skip


_MOST, _LONGEST = 1024, 256  # a model's name is user input: the bound is one in bytes, too
SILENT: set[tuple[str | None, int | None, str | None, int, bool]] = set()
"""(host, port, model, edition of the settings, stream) whose replies say nothing: they need not be looked at again."""


@lru_cache(maxsize=128)
def header_reader(name: str, host: str | None, port: int | None, _edition: int) -> HeaderReader | None:
    """What reads the headers of replies from ``host``; None where it is a provider that has nothing to say in them.

    ``_edition`` is that of the settings, which may name the host.
    """
    provider = _hosts.named(host or "", port)
    if provider is not None and not _hosts.configured(host or "", port) and provider not in _GATEWAYS:
        return None
    return _read_name_and_price if provider is None and name in ("openai", _hosts.COMPATIBLE) else _read_price


def _read_name_and_price(headers: Mapping[str, str], request: Request, response: Response) -> None:
    """Take the name that the server gives itself, for this call and those to come, and the price."""
    name = _own_name(headers)
    if name is not None and name != request.provider:
        request.provider = name
        _hosts.learn(request.server_address or "", request.server_port, name)
    _read_price(headers, request, response)


def _read_price(headers: Mapping[str, str], request: Request, response: Response) -> None:
    """Take the price that a gateway reports. A look costs some microseconds: one that never reports any is asked once for each model."""
    price = None
    if not request.stream:
        price = next((amount for header in PRICES if (amount := _amount(headers.get(header))) is not None), None)
    if price is not None:
        response.late = _charging(price)
    elif len(SILENT) < _MOST and len(request.model or "") <= _LONGEST:
        SILENT.add((request.server_address, request.server_port, request.model, _hosts.edition, request.stream))


def _charging(price: float) -> Callable[[Response], None]:
    def charge(response: Response) -> None:
        if response.usage is None:
            response.usage = Usage()
        if response.usage.cost_usd is None:
            response.usage.cost_usd = price

    return charge


def _own_name(headers: Mapping[str, str]) -> str | None:
    for name in headers:
        lower = name.lower()
        for mark, gateway in _MARKS:
            if lower.startswith(mark):
                return gateway
    server = (headers.get("server") or "").lower()
    return server_name(server) if server else None


def server_name(words: str) -> str | None:
    """The engine that calls itself by ``words``, as a ``server`` header or the ``owned_by`` of a model has them."""
    words = words.lower()
    return next((name for word, name in _SERVERS if word in words), None)


def _amount(value: str | None) -> float | None:
    try:
        amount = float(value) if value else -1.0
    except ValueError:
        return None
    return amount if 0.0 <= amount < 1e6 else None  # noqa: PLR2004
