"""Boards as Grafana's JSON, through grafana-foundation-sdk (which only generating needs)."""

# mypy: disable-error-code="arg-type, no-any-return"
# The SDK's enumerations need Python 3.11, and mypy checks for 3.10.

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

from .model import Board, Column, Link, Panel, Place, Query, Row, Step, flow, plain_links, plain_steps
from .variables import ALERTS, LABELS, breakers, values_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it would rather have the schema that Grafana 11 cannot read
    from grafana_foundation_sdk.builders import (
        bargauge,
        common,
        dashboard,
        gauge,
        heatmap,
        prometheus,
        stat,
        statetimeline,
        table,
        timeseries,
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as c
    from grafana_foundation_sdk.models import dashboard as d
    from grafana_foundation_sdk.models import heatmap as h
    from grafana_foundation_sdk.models import prometheus as p

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .queries import Queries

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
    for annotation in (_annotation(ALERTS, "red"), _annotation(breakers(q), "purple")):
        built = built.annotation(annotation)
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


def _annotation(query: tuple[str, str, str, str], colour: str) -> dashboard.AnnotationQuery:
    name, expr, title, text = query
    return (
        dashboard.AnnotationQuery()
        .name(name).datasource(SOURCE).enable(enable=True).hide(hide=False).icon_color(colour)
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
        *(_query_variable(name, title, query) for name, title, query in values_of(q)[:3]),
        label,
        *(_query_variable(name, title, query) for name, title, query in values_of(q)[3:]),
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
        _SHAPES[panel.kind](panel)
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
        built = built.override_by_name(name, [_fixed(colour)])
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


def _fixed(colour: str) -> d.DynamicConfigValue:
    return d.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})


def _by_thresholds() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(d.FieldColorModeId.THRESHOLDS)


def _reduce(panel: Panel) -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs([panel.reduce]).values(values=False)


def _timeseries(panel: Panel) -> Any:
    several = any("{{" in query.legend for query in panel.queries)
    legend = (
        common.VizLegendOptions()
        .display_mode(c.LegendDisplayMode.LIST)
        .placement(c.LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
    )
    if several and panel.width >= 8 and panel.height >= 8:  # noqa: PLR2004 - room for a table of numbers
        legend = (
            legend.display_mode(c.LegendDisplayMode.TABLE)
            .calcs(["mean", "max"])
            .sort_by("Max")
            .sort_desc(sort_desc=True)
        )
    built = (
        timeseries.Panel()
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(c.TooltipDisplayMode.MULTI).sort(c.SortOrder.DESCENDING))
        .line_width(0 if panel.bars else 1)
        .fill_opacity(_fill(panel))
        .show_points(c.VisibilityMode.AUTO)
        .span_nulls(span_nulls=False)
        .draw_style(c.GraphDrawStyle.BARS if panel.bars else c.GraphDrawStyle.LINE)
    )
    if panel.steps:
        built = built.thresholds_style(common.GraphThresholdsStyleConfig().mode(c.GraphThresholdsStyleMode.DASHED))
    if panel.soft_high is not None:
        built = built.axis_soft_max(panel.soft_high)
    if panel.stack:
        built = built.stacking(common.StackingConfig().mode(c.StackingMode(panel.stack)).group("A"))
    if panel.fill_between:
        upper, lower = panel.fill_between
        built = built.override_by_name(
            upper, [d.DynamicConfigValue("custom.fillBelowTo", lower), d.DynamicConfigValue("custom.lineWidth", 0)]
        )
        built = built.override_by_name(lower, [d.DynamicConfigValue("custom.lineWidth", 0)])
    return built


def _fill(panel: Panel) -> int:
    if panel.bars:
        return 80
    return 25 if panel.stack else 0 if panel.fill_between else 6


def _stat(panel: Panel) -> Any:
    built = (
        stat.Panel()
        .graph_mode(c.BigValueGraphMode.AREA if panel.sparkline else c.BigValueGraphMode.NONE)
        .color_mode(c.BigValueColorMode.VALUE)
        .text_mode(
            c.BigValueTextMode.VALUE_AND_NAME
            if len(panel.queries) > 1 or "{{" in panel.queries[0].legend
            else c.BigValueTextMode.VALUE
        )
        .justify_mode(c.BigValueJustifyMode.AUTO)
        .orientation(c.VizOrientation.VERTICAL)
        .reduce_options(_reduce(panel))
        .color_scheme(_by_thresholds())
    )
    for column in panel.columns:
        built = built.override_by_name(column.source, _column(column))
    return built


def _gauge(panel: Panel) -> Any:
    return (
        gauge.Panel()
        .show_threshold_markers(show_threshold_markers=True)
        .show_threshold_labels(show_threshold_labels=False)
        .reduce_options(_reduce(panel))
        .color_scheme(_by_thresholds())
    )


def _bargauge(panel: Panel) -> Any:
    return (
        bargauge.Panel()
        .display_mode(c.BarGaugeDisplayMode.BASIC)
        .orientation(c.VizOrientation.HORIZONTAL)
        .name_placement(c.BarGaugeNamePlacement.LEFT)
        .value_mode(c.BarGaugeValueMode.TEXT)
        .show_unfilled(show_unfilled=True)
        .reduce_options(_reduce(panel))
        .color_scheme(_by_thresholds())
    )


def _heatmap(panel: Panel) -> Any:
    return (
        heatmap.Panel()
        .calculate(calculate=False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(h.HeatmapColorMode.SCHEME)
            .scheme("Blues")
            .exponent(0.5)
            .steps(32)
            .reverse(reverse=False)
        )
        .y_axis(heatmap.YAxisConfig().unit(panel.unit).axis_placement(c.AxisPlacement.LEFT))
        .cell_gap(1)
        .tooltip(heatmap.HeatmapTooltip().mode(c.TooltipDisplayMode.SINGLE).y_histogram(y_histogram=True))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .exemplars_color("rgba(255,120,10,0.9)")
        .show_legend()
    )


def _state_timeline(panel: Panel) -> Any:
    mapping = d.ValueMap({f"{value:g}": d.ValueMappingResult(text=text, color=colour, index=index)
                          for index, (value, text, colour) in enumerate(panel.states)})  # fmt: skip
    return (
        statetimeline.Panel()
        .mappings([mapping])
        .merge_values(merge_values=True)
        .show_value(c.VisibilityMode.AUTO)
        .row_height(0.8)
        .fill_opacity(70)
        .legend(
            common.VizLegendOptions()
            .display_mode(c.LegendDisplayMode.LIST)
            .placement(c.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(c.TooltipDisplayMode.SINGLE))
        .color_scheme(_by_thresholds())
    )


def _table(panel: Panel) -> Any:
    several = len(panel.queries) > 1
    named = {column.source if several else column.source.removesuffix(" #A"): column for column in panel.columns}
    order = {"indexByName": {name: index for index, name in enumerate(named)},
             "renameByName": {name: column.title for name, column in named.items()}, "excludeByName": {}}  # fmt: skip
    steps: list[tuple[str, dict[str, Any]]] = [("merge", {})] if several else []
    steps += [("filterFieldsByName", {"include": {"names": list(named)}}), ("organize", order)]
    built = table.Panel().cell_height(c.TableCellHeight.SM)
    for name, options in steps:
        built = built.with_transformation(d.DataTransformerConfig(id_val=name, options=options))
    if panel.sort:
        built = built.sort_by([common.TableSortByFieldState().display_name(panel.sort).desc(desc=True)])
    for column in panel.columns:
        built = built.override_by_name(column.title, _column(column))
    return built


def _column(column: Column) -> list[d.DynamicConfigValue]:
    properties: dict[str, object] = {"unit": column.unit, "noValue": "-"}
    if column.width:
        properties["custom.width"] = column.width
    if column.decimals is not None:
        properties["decimals"] = column.decimals
    if column.links:
        properties["links"] = plain_links(column.links)
    if column.words:
        properties["mappings"] = [_words(column.words)]
    if column.steps:
        properties["mappings"] = [_NOTHING]
        properties["thresholds"] = {"mode": "absolute", "steps": plain_steps(column.base, column.steps)}
        properties["color"] = {"mode": "thresholds"}
    if column.words or column.steps:
        properties["custom.cellOptions"] = {"type": "color-text"}
    return [d.DynamicConfigValue(name, value) for name, value in properties.items()]


def _words(words: Iterable[tuple[str, str]]) -> dict[str, object]:
    options = {text: {"color": colour, "index": index, "text": text} for index, (text, colour) in enumerate(words)}
    return {"type": "value", "options": options}


# A cell without a value has no colour: without this it gets that of the lowest step.
_NOTHING = {"type": "special", "options": {"match": "null", "result": {"color": "text", "index": 0, "text": "-"}}}

_SHAPES = {
    "timeseries": _timeseries, "stat": _stat, "gauge": _gauge, "bargauge": _bargauge, "heatmap": _heatmap,
    "table": _table, "state-timeline": _state_timeline,
}  # fmt: skip
