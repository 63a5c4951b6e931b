"""litellm: fallbacks and cooldowns of its Router, and look-ups in its cache."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from typing import Any

from otel_llm.calls import checks
from otel_llm.calls.declarations import Args, Around, Kwargs, ReliabilityLibrary
from otel_llm.calls.invocation import current_call
from otel_llm.core.errors import error_type
from otel_llm.core.shapes import dataclass

from .breakers import circuit_breaker
from .caches import record_cache
from .fallbacks import fallback

_cooling: set[str] = set()


@dataclass
class _Chain:
    """The models that one call with ``fallbacks=[...]`` tries in turn."""

    models: list[str]
    tried: int = 0
    scope: fallback | None = None

    def leave(self) -> None:
        if self.scope is not None:
            self.scope.__exit__(None, None, None)
            self.scope = None


_CHAIN: ContextVar[_Chain | None] = ContextVar("otel_llm_litellm_chain", default=None)
_HOP: ContextVar[fallback | None] = ContextVar("otel_llm_litellm_hop", default=None)
_ORIGIN: ContextVar[str] = ContextVar("otel_llm_litellm_origin", default="")  # the group that a Router falls back from


def _leaves(_: Any, __: Args, kwargs: Kwargs) -> Token[str]:
    return _ORIGIN.set(str(kwargs.get("original_model_group") or ""))


def _left(_: Any, token: Token[str], __: Any, ___: BaseException | None) -> None:
    _ORIGIN.reset(token)


def _falls_back(_: Any, __: Args, kwargs: Kwargs) -> fallback | None:
    """A Router asks a group of models again for each fallback, one level deeper, while it handles what failed."""
    if not kwargs.get("fallback_depth"):
        return None
    before = _ORIGIN.get()
    for bucket in (kwargs.get("metadata"), kwargs.get("litellm_metadata")):
        if isinstance(bucket, Mapping) and bucket.get("original_model_group"):
            before = str(bucket["original_model_group"])
    failed = sys.exc_info()[1]
    scope = fallback(before, str(kwargs.get("model") or ""), error_type(failed) if failed is not None else "")
    scope.__enter__()
    return scope


def _fell_back(_: Any, scope: fallback | None, __: Any, ___: BaseException | None) -> None:
    if scope is not None:
        scope.__exit__(None, None, None)


def _hops(driver: Any, args: Args, __: Kwargs) -> None:
    """A Router in Rust says to its driver that the walk goes on with another group, before it makes the call."""
    _leaves_hop()
    failed, before = driver._last_error, driver._request.get("model")  # noqa: SLF001 - there is no public way
    reason = error_type(failed) if failed is not None else ""
    scope = fallback(str(before or args[0].get("from") or ""), str(args[0].get("to") or ""), reason)
    scope.__enter__()
    _HOP.set(scope)


def _leaves_hop(*_: Any) -> None:
    """What it went on with has answered, or failed too."""
    scope = _HOP.get()
    if scope is not None:
        _HOP.set(None)
        scope.__exit__(None, None, None)


def _chains(_: Any, __: Args, kwargs: Kwargs) -> tuple[_Chain, Token[_Chain | None]]:
    given = kwargs.get("kwargs", {}).get("fallbacks") or []
    named = [model.get("model", kwargs.get("model")) if isinstance(model, dict) else model for model in given]
    chain = _Chain([_bare(str(model)) for model in (kwargs.get("model"), *named)])
    return chain, _CHAIN.set(chain)


def _bare(model: str) -> str:
    return model.partition("/")[2] or model


def _chained(_: Any, state: tuple[_Chain, Token[_Chain | None]], __: Any, ___: BaseException | None) -> None:
    chain, token = state
    _CHAIN.reset(token)
    chain.leave()


def _tries(_: Any, __: Args, ___: Kwargs) -> None:
    """What litellm does once before each model of a chain; it does not say why the one before failed."""
    chain = _CHAIN.get()
    if chain is None:
        return
    chain.leave()
    if 0 < chain.tried < len(chain.models):
        chain.scope = fallback(chain.models[chain.tried - 1], chain.models[chain.tried], "error")
        chain.scope.__enter__()
    chain.tried += 1


def _cools(_: Any, args: Args, kwargs: Kwargs) -> str:
    return str(kwargs.get("model_id", args[0] if args else ""))


def _cooled(_: Any, deployment: str, __: Any, error: BaseException | None) -> None:
    if deployment and error is None:
        _cooling.add(deployment)
        circuit_breaker(deployment).opened()


def _stores(_: Any, args: Args, __: Kwargs) -> str:
    """What a Router in Rust has its host keep; a cooldown is one of these."""
    return _deployment(args[1]) if len(args) > 1 and args[0] == "set" else ""


def _deployment(key: Any) -> str:
    """The deployment whose cooldown a key is for; empty for any other key."""
    inside = str(key).removeprefix("deployment:").removesuffix(":cooldown")
    return inside if str(key) == f"deployment:{inside}:cooldown" else ""


def _reads(_: Any, args: Args, kwargs: Kwargs) -> list[str]:
    return list(map(_deployment, kwargs.get("keys", args[0] if args else ()))) if _cooling else []


def _read(_: Any, deployments: list[str], answers: Any, error: BaseException | None) -> None:
    if error is None and answers is not None:
        warm = [deployment for deployment, cooldown in zip(deployments, answers, strict=False) if cooldown is None]
        _warm(name for name in warm if name in _cooling)


def _asks(_: Any, args: Args, kwargs: Kwargs) -> list[str]:
    """The deployments that the Router asks about; mostly none of them was in a cooldown."""
    return [name for name in kwargs.get("model_ids", args[0] if args else ()) if name in _cooling] if _cooling else []


def _learns(_: Any, deployments: list[str], cooling: Any, error: BaseException | None) -> None:
    if not deployments or error is not None:
        return
    still = {entry[0] for entry in cooling or ()}
    _warm(deployment for deployment in deployments if deployment not in still)


def _warm(deployments: Iterable[str]) -> None:
    for deployment in deployments:
        _cooling.discard(deployment)
        circuit_breaker(deployment).closed()


def _looks(cache: Any, _: Args, kwargs: Kwargs) -> tuple[str, str, str] | None:
    """Provider, model and operation of a look-up; None where the cache is not asked."""
    if cache.should_use_cache(**kwargs) is not True:
        return None
    call = current_call()
    return call.key if call is not None else ("", str(kwargs.get("model") or ""), "chat")


def _looked(cache: Any, key: tuple[str, str, str] | None, answer: Any, error: BaseException | None) -> None:
    if key is not None and error is None:
        kind = getattr(cache, "type", None)
        word = str(getattr(kind, "value", kind) or "litellm")
        record_cache(hit=answer is not None, cache=word, provider=key[0], model=key[1], operation=key[2])


def _has_usage(_: Any, args: Args, kwargs: Kwargs) -> bool:
    chunks = kwargs.get("chunks", args[0] if args else ())
    return any((chunk.get("usage") if isinstance(chunk, dict) else getattr(chunk, "usage", None)) for chunk in chunks)


def _counts(_: Any, reported: bool, __: Any, error: BaseException | None) -> None:
    """Where no chunk of a stream had its usage, litellm counts tokens itself."""
    call = current_call()
    if call is not None and not reported and error is None:
        call.response.attributes["otel_llm.usage.estimated"] = True


def _checked(guardrail: Any, args: Args, kwargs: Kwargs) -> None:
    """A guardrail reports the result of its check, before the call or after it."""
    status = kwargs.get("guardrail_status", args[2] if len(args) > 2 else "")  # noqa: PLR2004
    result = _RESULTS.get(str(getattr(status, "value", status)))
    if result is not None:
        if result == "passed" and kwargs.get("masked_entity_count"):
            result = "changed"
        seconds = kwargs.get("duration")
        name = getattr(guardrail, "guardrail_name", None) or type(guardrail).__name__
        checks.record(str(name), result, seconds if isinstance(seconds, int | float) else None)


_RESULTS = {"success": "passed", "guardrail_intervened": "blocked", "blocked": "blocked"}
_FALLBACKS, _CHAINS = "async_function_with_fallbacks", "async_completion_with_fallbacks"
_CHAINING = "litellm.litellm_core_utils.fallback_utils"

signal = ReliabilityLibrary(
    name="litellm",
    distribution="litellm",
    requires=">=1.85,<2",
    tested=("1.85.0", "1.109.1", "1.110.2"),
    hooks=(
        Around("litellm.router", ("run_async_fallback",), _left, _leaves),
        Around("litellm.router", (f"Router.{_FALLBACKS}",), _fell_back, _falls_back),
        Around("litellm.router_python_core", (f"PythonCore.{_FALLBACKS}",), _fell_back, _falls_back),
        Around("litellm.router_rust.core", ("_Driver._log_hop",), lambda *_: None, _hops),
        Around("litellm.router_rust.invoke.walk", ("FallbackOutcomes.done",), _leaves_hop),
        Around("litellm.router_rust.routing_stores", ("RoutingStores.answer", "RoutingStores.answer_sync"), _cooled, _stores),
        Around("litellm.router_rust.routing_stores", ("RoutingStores.batch_get", "RoutingStores.batch_get_sync"), _read, _reads),
        Around("litellm.main", (_CHAINS,), _chained, _chains),
        Around(_CHAINING, (_CHAINS,), _chained, _chains),
        Around(_CHAINING, ("filter_internal_params",), lambda *_: None, _tries),
        Around("litellm.router_utils.cooldown_cache", ("CooldownCache.add_deployment_to_cooldown",), _cooled, _cools),
        Around(
            "litellm.router_utils.cooldown_cache",
            ("CooldownCache.get_active_cooldowns", "CooldownCache.async_get_active_cooldowns"), _learns, _asks,
        ),
        Around(
            "litellm.litellm_core_utils.streaming_chunk_builder_utils",
            ("ChunkProcessor.calculate_usage",),
            _counts,
            _has_usage,
        ),
        Around(
            "litellm.integrations.custom_guardrail",
            ("CustomGuardrail.add_standard_logging_guardrail_information_to_request_data",), lambda *_: None, _checked,
        ),
        Around("litellm.caching.caching", ("Cache.get_cache", "Cache.async_get_cache"), _looked, _looks),
    ),
    notes="A cooldown is a breaker with the deployment's id; it closes when the Router asks for a deployment again.",
)  # fmt: skip
