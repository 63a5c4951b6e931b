"""Other instrumentations of the openai and anthropic clients: how each is put in, and taken out where it can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

Out = Callable[[], object]


@dataclass(frozen=True)
class Other:
    """One of them. ``enter`` puts it in, and returns what takes it out again, if anything does.

    ``wrap`` is for those that wrap a client instead of the library.
    """

    distribution: str
    enter: Callable[[Any], Out | None] = lambda _: None
    wrap: Callable[[Any], Any] = lambda client: client
    breaks: int = 0  # streams that the program cannot read any more by lines, with or without us
    repeats: int = (
        0  # spans that it makes of a call that has one already, when its answer is there or its stream is read
    )
    leaves: bool = False  # it makes those also when it has been taken out
    unspoken: int = 0  # spans of calls in other words than the conventions': no tokens are read from them


def _instrumentors(*places: str) -> Callable[[Any], Out]:
    def enter(_: Any) -> Out:
        made = []
        for place in places:
            module, name = place.split(":")
            made.append(getattr(import_module(module), name)())
        for each in made:
            each.instrument()

        def out() -> None:
            for each in made:
                each.uninstrument()

        return out

    return enter


def _logfire(processor: Any) -> Out:
    import logfire

    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[processor])
    reverting = [logfire.instrument_openai(), logfire.instrument_anthropic()]
    for each in reverting:
        each.__enter__()  # of what is in already

    def out() -> None:
        for each in reverting:
            each.__exit__(None, None, None)

    return out


def _logfire_client(client: Any) -> Any:
    import logfire

    (logfire.instrument_openai if "openai" in type(client).__module__ else logfire.instrument_anthropic)(client)
    return client


def _logfire_of_clients(processor: Any) -> None:
    import logfire

    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[processor])


def _openlit(_: Any) -> Out:
    import openlit
    from openlit.instrumentation.anthropic import AnthropicInstrumentor
    from openlit.instrumentation.openai import OpenAIInstrumentor

    openlit.init(disable_metrics=True, disabled_instrumentors=["httpx", "requests", "urllib3"])

    def out() -> None:
        OpenAIInstrumentor().uninstrument()
        AnthropicInstrumentor().uninstrument()

    return out


def _sentry(_: Any) -> Out:
    import sentry_sdk
    from sentry_sdk.integrations.anthropic import AnthropicIntegration
    from sentry_sdk.integrations.openai import OpenAIIntegration
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: Any) -> None: ...

    sentry_sdk.init(
        dsn="https://k@example.invalid/1", traces_sample_rate=1.0, transport=Nowhere, default_integrations=False,
        integrations=[OpenAIIntegration(), AnthropicIntegration()],
    )  # fmt: skip
    return lambda: sentry_sdk.init(dsn="", default_integrations=False)  # its wrappers stay, and do nothing


def _langfuse(_: Any) -> None:
    import langfuse
    import langfuse.openai

    langfuse.Langfuse(public_key="pk-test", secret_key="sk-test", base_url="http://127.0.0.1:9", tracing_enabled=False)


def _wrapped_by(module: str, **names: str) -> Callable[[Any], Any]:
    def wrap(client: Any) -> Any:
        library = type(client).__module__.partition(".")[0]
        return getattr(import_module(module), names[library])(client) if library in names else client

    return wrap


def _braintrust(_: Any) -> None:
    import braintrust

    braintrust.auto_instrument()


def _posthog(client: Any) -> Any:
    import posthog

    library = type(client).__module__.partition(".")[0]
    theirs = getattr(import_module(f"posthog.ai.{library}"), type(client).__name__)
    quiet = posthog.Posthog("phc_test", host="http://127.0.0.1:9", disabled=True)
    return theirs(posthog_client=quiet, base_url=str(client.base_url), api_key="k", max_retries=0)


def _ddtrace(_: Any) -> Out:
    import ddtrace
    from ddtrace.contrib.internal.anthropic.patch import unpatch as unpatch_anthropic
    from ddtrace.contrib.internal.openai.patch import unpatch as unpatch_openai

    ddtrace.patch(openai=True, anthropic=True)

    def out() -> None:
        unpatch_openai()
        unpatch_anthropic()

    return out


def _mlflow(_: Any) -> Out:
    import mlflow
    import mlflow.anthropic
    import mlflow.openai

    mlflow.openai.autolog()
    mlflow.anthropic.autolog()

    def out() -> None:
        mlflow.openai.autolog(disable=True)
        mlflow.anthropic.autolog(disable=True)

    return out


def _stacked(processor: Any) -> Out:
    leave = [OTHERS[name].enter(processor) for name in ("logfire", "openinference", "ddtrace")]

    def out() -> None:
        for each in reversed(leave):  # ddtrace takes out only what is outermost
            if each is not None:
                each()

    return out


OTHERS: dict[str, Other] = {
    "openinference": Other(
        "openinference-instrumentation-openai",
        _instrumentors(
            "openinference.instrumentation.openai:OpenAIInstrumentor",
            "openinference.instrumentation.anthropic:AnthropicInstrumentor",
        ),
        unspoken=2,
    ),
    "logfire": Other("logfire", _logfire, repeats=9),
    "logfire_client": Other("logfire", _logfire_of_clients, _logfire_client, repeats=9),
    "openllmetry": Other(
        "opentelemetry-instrumentation-openai",
        _instrumentors(
            "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
            "opentelemetry.instrumentation.anthropic:AnthropicInstrumentor",
        ),
        repeats=4,
        leaves=True,
    ),
    "openlit": Other("openlit", _openlit),
    "otel_v2": Other(
        "opentelemetry-instrumentation-openai-v2",
        _instrumentors("opentelemetry.instrumentation.openai_v2:OpenAIInstrumentor"),
        breaks=2,
    ),
    "otel_genai": Other(
        "opentelemetry-instrumentation-genai-openai",
        _instrumentors(
            "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
            "opentelemetry.instrumentation.genai.anthropic:AnthropicInstrumentor",
        ),
    ),
    "sentry": Other("sentry-sdk", _sentry),
    "langfuse": Other("langfuse", _langfuse),
    "langsmith": Other("langsmith", wrap=_wrapped_by("langsmith.wrappers", openai="wrap_openai", anthropic="wrap_anthropic")),
    "braintrust": Other("braintrust", _braintrust),
    "braintrust_client": Other("braintrust", wrap=_wrapped_by("braintrust", openai="wrap_openai", anthropic="wrap_anthropic")),
    "posthog": Other("posthog", wrap=_posthog),
    "ddtrace": Other("ddtrace", _ddtrace),
    "mlflow": Other("mlflow-tracing", _mlflow),
    "stacked": Other("ddtrace", _stacked, repeats=9, unspoken=32),
}  # fmt: skip
