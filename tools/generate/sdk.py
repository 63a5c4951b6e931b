"""Boards as Grafana's JSON, through grafana-foundation-sdk."""

# mypy: disable-error-code="arg-type, no-any-return"
# The SDK's enumerations need Python 3.11, and mypy checks for 3.10.

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

from otel_llm.ops.boards.model import Board, Link, Panel, Place, Query, Row, Step, flow, plain_links
from otel_llm.ops.boards.variables import LABELS, Note, notes, values_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it would rather have the schema that Grafana 11 cannot read
    from grafana_foundation_sdk.builders import dashboard, prometheus
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as c
    from grafana_foundation_sdk.models import dashboard as d
    from grafana_foundation_sdk.models import prometheus as p

    from .shapes import SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_llm.ops.boards.queries import Queries

SOURCE = c.DataSourceRef(type_val="prometheus", uid="${datasource}")
SCHEMA = 39  # Grafana 11.0's: newer ones migrate it, older fields stay readable
_FORMATS = {"table": p.PromQueryFormat.TABLE, "heatmap": p.PromQueryFormat.HEATMAP}


def to_json(board: Board, q: Queries) -> str:
    """The text of the dashboard's file: stable in order and spacing, with a newline at the end."""
    built = json.loads(json.dumps(_board(board, q).build(), cls=JSONEncoder))
    return json.dumps(_tidy(built), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _tidy(built: dict[str, Any]) -> dict[str, Any]:
    """Take out what the SDK writes into links of values (they are no dashboard links) and what hides links in a menu."""
    built["schemaVersion"] = SCHEMA
    for link in built["links"]:
        link.pop("placement", None)
    for panel in _all_panels(built["panels"]):
        panel.pop("repeatDirection", None)
        defaults = panel["fieldConfig"]["defaults"]
        defaults["links"] = plain_links(Link(link["title"], link["url"]) for link in defaults.get("links", []))
    return built


def _all_panels(panels: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for panel in panels:
        if panel["type"] == "row":
            yield from _all_panels(panel["panels"])
        else:
            yield panel


def _board(board: Board, q: Queries) -> dashboard.Dashboard:
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(list(board.tags))
        .tooltip(d.DashboardCursorSync.CROSSHAIR)
        .refresh("30s")
        .time(board.since, "now")
        .editable()
    )
    for variable in _variables(q):
        built = built.with_variable(variable)
    for note in notes(q):
        built = built.annotation(_annotation(note))
    return _rows(built.link(_others()), board.rows)


def _rows(built: dashboard.Dashboard, rows: Iterable[Row]) -> dashboard.Dashboard:
    y = 0
    for row in rows:
        titled = bool(row.question.strip())
        places, bottom = flow(row.panels, y + titled)
        panels = [_panel(panel, place) for panel, place in zip(row.panels, places, strict=True)]
        if titled:
            built = built.with_row(_header(row, y, panels if row.folded else []))
        if not row.folded:
            for panel in panels:
                built = built.with_panel(panel)
        y = y + 1 if row.folded else bottom
    return built


def _header(row: Row, y: int, inside: list[Any]) -> dashboard.Row:
    header = dashboard.Row(row.question).id(row.id).collapsed(row.folded).grid_pos(d.GridPos(h=1, w=24, x=0, y=y))
    for panel in inside:
        header = header.with_panel(panel)
    return header


def _others() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("LLM boards")
        .type(d.DashboardLinkType.DASHBOARDS)
        .tags(["otel-llm"])
        .as_dropdown(as_dropdown=True)
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )


def _annotation(note: Note) -> dashboard.AnnotationQuery:
    name, expr, title, text, colour, on = note
    return (
        dashboard.AnnotationQuery()
        .name(name).datasource(SOURCE).enable(enable=on).hide(hide=False).icon_color(colour)
        .expr(expr).title_format(title).text_format(text).step("30s")
    )  # fmt: skip


def _variables(q: Queries) -> list[Any]:
    first = LABELS[0]
    options = [d.VariableOption(text=name, value=name, selected=name == first) for name in LABELS]
    label = (
        dashboard.CustomVariable("label").label("Label").values(",".join(LABELS)).options(options)
        .current(d.VariableOption(text=first, value=first, selected=True)).allow_custom_value(allow_custom_value=True)
        .description("A custom label of OTEL_LLM_METRIC_LABELS; type its name where it is not listed.")
    )  # fmt: skip
    return [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        *(_query_variable(name, title, query) for name, title, query in values_of(q)[:-1]),
        label,
        *(_query_variable(name, title, query) for name, title, query in values_of(q)[-1:]),
        dashboard.DatasourceVariable("traces").label("Traces").type("tempo"),
    ]


def _query_variable(name: str, title: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name).label(title).datasource(SOURCE).query({"query": query, "refId": name}).definition(query)
        .multi(multi=True).include_all(include_all=True).all_value(".*")
        .current(d.VariableOption(text="All", value="$__all", selected=True))
        .refresh(d.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(d.VariableSort.ALPHABETICAL_ASC)
    )  # fmt: skip


def _panel(panel: Panel, place: Place) -> Any:
    built = (
        SHAPES[panel.kind](panel)
        .id(panel.id).title(panel.title).description(panel.description).datasource(SOURCE).unit(panel.unit)
        .grid_pos(d.GridPos(h=place.h, w=place.w, x=place.x, y=place.y)).no_value(panel.empty)
        .thresholds(_thresholds(panel.base, panel.steps)).targets(_targets(panel))
    )  # fmt: skip
    if panel.links:
        built = built.data_links([_link(link) for link in panel.links])
    for limit in ("low", "high", "decimals"):
        if (value := getattr(panel, limit)) is not None:
            built = getattr(built, {"low": "min", "high": "max"}.get(limit, limit))(value)
    for name, colour in panel.colours:
        built = built.override_by_name(name, [d.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})])
    return built


def _targets(panel: Panel) -> list[Any]:
    return [_target(query, "ABCDEFGHIJ"[index], panel.kind) for index, query in enumerate(panel.queries)]


def _target(query: Query, ref: str, kind: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(ref).datasource(SOURCE).editor_mode(p.QueryEditorMode.CODE)
    target = target.instant() if query.instant else target.range()
    if query.legend:
        target = target.legend_format(query.legend)
    if query.exemplar:
        target = target.exemplar(exemplar=True)
    if kind in _FORMATS:
        target = target.format(_FORMATS[kind])
    return target


def _link(link: Link) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(link.title).url(link.url)


def _thresholds(base: str, steps: Iterable[Step]) -> dashboard.ThresholdsConfig:
    values = [d.Threshold(color=base, value=None), *(d.Threshold(color=colour, value=value) for value, colour in steps)]
    return dashboard.ThresholdsConfig().mode(d.ThresholdsMode.ABSOLUTE).steps(values)
