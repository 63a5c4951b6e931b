"""``otel-llm export``: rules, dashboards, routes and objects as files, with a service's own thresholds."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from otel_llm.core import objectives as normal
from otel_llm.core.objectives import ObjectiveError, Objectives
from otel_llm.ops import alertmanager, dashboards, gateway, kubernetes, prometheus, recorded
from otel_llm.ops.otlp import renamed
from otel_llm.ops.promql import VOCABULARIES
from otel_llm.ops.rules import Context
from otel_llm.ops.series import HISTOGRAMS, Reading

from .problems import Problem
from .terminal import busy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KINDS = ("prometheus", "grafana", "alertmanager", "k8s", "gateway")

HELP = """Write Prometheus rules, Grafana dashboards, Alertmanager routes, Kubernetes objects, or the gateway's into DIR.

\b
  otel-llm export prometheus rules/
  otel-llm export prometheus rules/ --p95 20s --error-rate 2% --slo 99.5%
  otel-llm export prometheus rules/ --by namespace,cluster --label tenant --label plan
  otel-llm export grafana grafana/ --label tenant --label plan
  otel-llm export grafana grafana/ --without-rules
  otel-llm export alertmanager alertmanager/
  otel-llm export k8s deploy/
  otel-llm export gateway deploy/
  otel-llm export prometheus rules/ --otlp
  otel-llm export prometheus rules/ --histograms native

Thresholds left out keep their defaults. Files that are there are replaced.
"""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each objective, from its metadata."""
    for spec in reversed(fields(Objectives)):
        unit, default = spec.metadata["unit"], normal.show(spec.default, spec.metadata["unit"])
        words = spec.metadata["help"]
        help_text = f"{words[0].upper()}{words[1:]}.  [default: {default}]"
        command = click.option(normal.flag(spec.name), spec.name, metavar=unit.upper(), help=help_text)(command)
    return command


def _places(_ctx: click.Context, _param: click.Parameter, names: str | None) -> tuple[str, ...]:
    """What distinguishes services: always the job."""
    if names is None:
        return recorded.SERVICE
    listed = [name.strip() for name in names.split(",")] if names not in ("", "none") else []
    for name in listed:
        if not name.isidentifier() or not name.isascii():
            raise click.BadParameter(
                f"{name!r} is no label name: letters, digits and _ only, with commas between several"
            )
    return tuple(dict.fromkeys(("job", *listed)))


def _label_names(_ctx: click.Context, _param: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not name.isidentifier() or not name.isascii():
            raise click.BadParameter(f"{name!r} is no label name: letters, digits and _ only")
    return names


@click.command("export", help=HELP)
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--vocabulary",
    type=click.Choice(tuple(VOCABULARIES)),
    default="released",
    show_default=True,
    help="Vocabulary of the GenAI metrics: the service's OTEL_LLM_SEMCONV.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    callback=_label_names,
    help="A label of your own (OTEL_LLM_METRIC_LABELS) that rules record by and boards offer; may be repeated.  "
    f"[default: {', '.join(recorded.CUSTOM)}]",
)
@click.option(
    "--by",
    "places",
    metavar="NAMES",
    callback=_places,
    help="Labels of targets, beside job, that distinguish services, such as namespace,cluster; none for job alone.  "
    f"[default: {','.join(recorded.SERVICE[1:])}]",
)
@click.option(
    "--without-rules", is_flag=True, help="grafana: boards that read raw metrics, for a Prometheus without the rules."
)
@click.option(
    "--histograms",
    type=click.Choice(HISTOGRAMS),
    default="classic",
    show_default=True,
    help="prometheus, grafana, k8s: native where Prometheus stores classic ones as native "
    "(convert_classic_histograms_to_nhcb).",
)
@click.option("--otlp", is_flag=True, help="prometheus, grafana: for metrics that are pushed over OTLP, not scraped.")
@_options
def command(
    kind: str, directory: Path, *, vocabulary: str, labels: tuple[str, ...], places: tuple[str, ...], without_rules: bool,
    histograms: str, otlp: bool,
    **given: str | None,
) -> None:  # fmt: skip
    if without_rules and kind != "grafana":
        raise Problem(f"--without-rules is for grafana, not for {kind}")
    try:
        objectives = Objectives.parse(given)
    except ObjectiveError as error:
        raise Problem("; ".join(error.problems)) from None
    if histograms != "classic" and kind not in ("prometheus", "grafana", "k8s"):
        raise Problem(f"--histograms is for prometheus, grafana and k8s, not for {kind}")
    if otlp and kind not in ("prometheus", "grafana"):
        raise Problem(f"--otlp is for prometheus and grafana; the labels of {kind} are the same either way")
    try:
        it = Context(
            objectives,
            VOCABULARIES[vocabulary],
            service=places,
            custom=labels or recorded.CUSTOM,
            read=Reading(histograms == "native"),
        )
        with busy(f"Writing {kind}"):
            written = _write(kind, directory, it, labels, raw=vocabulary if without_rules else None)
        for path in written if otlp else ():
            path.write_text(renamed(path.read_text("utf-8")), "utf-8")
    except OSError as error:
        raise Problem(
            f"{error.filename or directory} cannot be written: {error.strerror}; choose another directory"
        ) from None
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(NEXT[kind].format(directory=directory))


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f'{name}: "{value}"' for name, value in labels.items())


_PLACE = kubernetes.DEFAULT_PLACE
_FOUND_BY = (
    f"Scraped are Services with the label {_labels(_PLACE.service_labels)} and a port named {_PLACE.port}; the objects are in "
    f"namespace {_PLACE.namespace}, with {_labels(_PLACE.labels)} for the Prometheus operator to find them. The NetworkPolicy names "
    f"no namespace, as it belongs into that of your pods (which need the label {_labels(_PLACE.service_labels)} too): apply it there, and "
    f"only Prometheus reaches their port {_PLACE.port_number}."
)
NEXT = {
    "prometheus": "Next: name {directory}/*.yml under rule_files in prometheus.yml and reload Prometheus.",
    "grafana": "Next: mount {directory} into Grafana's provisioning, or import the dashboards by hand.",
    "alertmanager": "Next: put your Slack and PagerDuty secrets into the files it names, then amtool check-config.",
    "gateway": "Next: build the image (deploy/gateway.Dockerfile), name yours in {directory}/gateway-deployment.yaml, and kubectl apply "
    "-f {directory} --namespace NAMESPACE. Services send to http://otel-llm-gateway.NAMESPACE:4318.",
    "k8s": "Next: kubectl apply -f {directory}\n" + _FOUND_BY,
}


def _write(kind: str, directory: Path, it: Context, labels: tuple[str, ...], raw: str | None) -> list[Path]:
    if kind == "alertmanager":
        return alertmanager.write_alertmanager(directory, alertmanager.Routing(service=it.service))
    if kind == "grafana":
        return dashboards.write_grafana(directory, raw, it.objectives, labels, it.read)
    if kind == "prometheus":
        return prometheus.write_rules(directory, it)
    if kind == "gateway":
        return gateway.write_gateway(directory)
    return kubernetes.write_objects(directory, it, labels)
