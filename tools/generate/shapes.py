"""One Grafana visualisation for each kind of panel, with all that is the same on every board."""

# mypy: disable-error-code="arg-type, no-any-return"
# The SDK's enumerations need Python 3.11, and mypy checks for 3.10.

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from otel_llm.ops.boards.model import Column, Panel, plain_links, plain_steps

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it would rather have the schema that Grafana 11 cannot read
    from grafana_foundation_sdk.builders import (
        bargauge,
        common,
        dashboard,
        gauge,
        heatmap,
        stat,
        statetimeline,
        table,
        timeseries,
    )
    from grafana_foundation_sdk.models import common as c
    from grafana_foundation_sdk.models import dashboard as d
    from grafana_foundation_sdk.models import heatmap as h

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


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
    if several and panel.width >= 8 and panel.height >= 8:
        legend = (
            legend.display_mode(c.LegendDisplayMode.TABLE)
            .placement(c.LegendPlacement.RIGHT)
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
    if panel.log:
        doubling = common.ScaleDistributionConfig().type(c.ScaleDistribution.LOG).log(2)
        built = built.scale_distribution(doubling)
    for name in panel.dashed:
        built = built.override_by_name(name, _DASHED)
    if panel.stack:
        built = built.stacking(common.StackingConfig().mode(c.StackingMode(panel.stack)).group("A"))
    if panel.fill_between:
        upper, lower = panel.fill_between
        built = built.override_by_name(
            upper, [d.DynamicConfigValue("custom.fillBelowTo", lower), d.DynamicConfigValue("custom.lineWidth", 0)]
        )
        built = built.override_by_name(lower, [d.DynamicConfigValue("custom.lineWidth", 0)])
    return built


_DASHED = [
    d.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 8]}),
    d.DynamicConfigValue("custom.fillOpacity", 0),
    d.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "text"}),
]  # what is compared with


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
        built = built.sort_by([common.TableSortByFieldState().display_name(panel.sort).desc(desc=not panel.ascending)])
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

SHAPES: dict[str, Callable[[Panel], Any]] = {
    "timeseries": _timeseries, "stat": _stat, "gauge": _gauge, "bargauge": _bargauge, "heatmap": _heatmap,
    "table": _table, "state-timeline": _state_timeline,
}  # fmt: skip
