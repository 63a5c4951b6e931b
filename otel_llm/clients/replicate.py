"""Replicate: running models of any kind and predictions; those of language models count tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_llm.calls.declarations import Args, ClientLibrary, Kwargs, Patch, SubRequest
from otel_llm.core.model import Reader, Request, Response, Usage

from . import _hosts
from ._openai_content import asked, keep_text
from ._read import attr, count, items, text


def read_prediction(prediction: Any, into: Response) -> None:
    """``metrics`` of a prediction that is done: https://replicate.com/docs/reference/http#predictions.get."""
    into.id = text(attr(prediction, "id"))
    metrics = attr(prediction, "metrics")
    counts = count(attr(metrics, "input_token_count")), count(attr(metrics, "output_token_count"))
    if counts != (None, None):
        into.usage = Usage(*counts)
    if attr(prediction, "status") == "failed":
        into.error_code = "server_error"


def read_whole(prediction: Any, into: Response) -> None:
    """A prediction that the caller gets: it has its output as well, where it is done."""
    read_prediction(prediction, into)
    read_output(attr(prediction, "output"), into)


def read_output(output: Any, into: Response) -> None:
    """What ``run`` returns is the output alone: its prediction was read when it was fetched. Files are not kept."""
    if into.content is not None:
        for piece in items(output) or [output]:
            if isinstance(piece, str):
                keep_text(into.content, piece)


def read_event(event: Any, into: Response) -> bool:
    """An event of ``stream``, or a piece of output that ``run`` iterates."""
    kind = attr(event, "event", "value") if hasattr(event, "event") else "output"
    if kind in ("done", "error"):
        into.done = True
        into.error_code = "server_error" if kind == "error" else None
    elif kind == "output":
        read_output(attr(event, "data") if hasattr(event, "event") else event, into)
    return kind == "output"


_URL = "https://api.replicate.com"
PREDICTION = Reader(read_whole, usage=False)
RUN = Reader(read_output, read_event, usage=False)


def _model(reference: Any) -> str | None:
    """The model's name, of ``owner/name:version``, a pair, a model or a version."""
    if isinstance(reference, tuple):
        return "/".join(str(part) for part in reference[:2])
    name = reference if isinstance(reference, str) else text(attr(reference, "name")) or text(attr(reference, "id"))
    return name.partition(":")[0] if name and "/" in name else name


def _asked(given: Any) -> dict[str, Any]:
    """The prompts among a model's inputs, as language models name them."""
    return asked({"prompt": attr(given, "prompt"), "instructions": attr(given, "system_prompt")})


def _request(client: Any, model: str | None, reader: Reader, given: Any, *, stream: bool = False) -> Request:
    name, host, port = _hosts.behind_text(client._base_url or _URL, "replicate")  # noqa: SLF001 - as asking its HTTP client would make one
    return Request(name, "generate_content", model, reader, host, port, stream, content=lambda: _asked(given))


def _running(*, stream: bool) -> Callable[[Any, Args, Kwargs], Request]:
    """``run`` and ``stream``, whose arguments are the model and its input."""

    def read(client: Any, args: Args, kwargs: Kwargs) -> Request:
        arguments = {**dict(zip(("ref", "input"), args, strict=False)), **kwargs}
        return _request(client, _model(arguments.get("ref")), RUN, arguments.get("input"), stream=stream)

    return read


def _create(namespace: Any, args: Args, kwargs: Kwargs) -> Request:
    target = kwargs.get("model", kwargs.get("deployment", kwargs.get("version", args[0] if args else None)))
    given = kwargs.get("input", next((one for one in args if isinstance(one, dict)), None))
    return _request(namespace._client, _model(target), PREDICTION, given)  # noqa: SLF001 - as above


_CREATES = {
    "replicate.prediction": ("Predictions.create", "Predictions.async_create"),
    "replicate.model": ("ModelsPredictions.create", "ModelsPredictions.async_create"),
    "replicate.deployment": ("DeploymentsPredictions.create", "DeploymentsPredictions.async_create"),
}
_GETS = ("Predictions.get", "Predictions.async_get")
_ALL = ("replicate",)

library = ClientLibrary(
    name="replicate", distribution="replicate", requires=">=1.0", tested=("1.0.0", "1.0.7"),
    operations=("generate_content",),
    hooks=(
        Patch("replicate.client", ("Client.run", "Client.async_run"), _running(stream=False), covers=_ALL),
        Patch(
            "replicate.client", ("Client.stream", "Client.async_stream"), _running(stream=True), lazy=True, covers=_ALL
        ),
        *(Patch(module, targets, _create) for module, targets in _CREATES.items()),
        *(SubRequest(module, targets, RUN, read_prediction) for module, targets in _CREATES.items()),
        SubRequest("replicate.prediction", _GETS, RUN, read_prediction),
    ),
    notes="A prediction that is created and not waited for has no tokens yet; polling is no call.",
)  # fmt: skip
