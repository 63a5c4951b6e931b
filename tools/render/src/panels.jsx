// The visualisations. Time series, stat, bar gauge and table are Grafana's own; gauge, heatmap and state timeline are stand-ins.
import React from 'react';
import { FieldType, formattedValueToString, reduceField } from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { Dial, Heatmap, StateTimeline } from './standins.jsx';
import { overlay } from './overlay.js';

class Guard extends React.Component {
  state = {};
  static getDerivedStateFromError(error) {
    return { error };
  }
  render() {
    return this.state.error ? <div data-problem={String(this.state.error)}>{String(this.state.error)}</div> : this.props.children;
  }
}

export function Panel(props) {
  const { panel, frames, theme } = props;
  if (!frames.length) {
    return <div data-problem="no data" style={{ color: theme.colors.text.secondary, textAlign: 'center', paddingTop: 20, ...theme.typography.body }}>{panel.fieldConfig.defaults.noValue}</div>;
  }
  const Shape = SHAPES[panel.type];
  return <Guard><Shape {...props} /></Guard>;
}

function last({ frames, panel }) {
  return frames.map((frame) => {
    const field = frame.fields.find((one) => one.type === FieldType.number);
    const calc = panel.options.reduceOptions?.calcs?.[0] ?? 'lastNotNull';
    return { field, frame, value: { ...field.display(reduceField({ field, reducers: [calc] })[calc]), title: field.state.displayName } };
  });
}

function Course({ panel, frames, w, h, range, notes, exemplars, theme, step }) {
  const { legend } = panel.options;
  return (
    <TimeSeries frames={frames} structureRev={1} timeRange={range} timeZone="utc" width={w} height={h} legend={legend} options={panel.options}>
      {(builder) => { overlay(builder, { panel, notes, exemplars, theme, range, step }); return null; }}
    </TimeSeries>
  );
}

function Stat(props) {
  const { panel, w, h, theme } = props;
  const wide = panel.options.orientation === 'vertical';
  const shown = last(props);
  return (
    <VizRepeater
      getValues={() => shown} source={props.frames} width={w} height={h} itemSpacing={3} orientation={wide ? 'vertical' : 'horizontal'} renderCounter={1}
      renderValue={({ value: { value, field, frame }, width, height }) => (
        <BigValue theme={theme} width={width} height={height} value={value} colorMode={panel.options.colorMode} graphMode={panel.options.graphMode} textMode={panel.options.textMode} justifyMode={panel.options.justifyMode}
          sparkline={panel.options.graphMode === 'area' && frame.fields[0].values.length > 1 ? { x: frame.fields[0], y: field } : undefined} />
      )}
    />
  );
}

function Bars(props) {
  const { panel, w, h, theme } = props;
  const values = last(props).sort((a, b) => b.value.numeric - a.value.numeric);
  const max = Math.max(...values.map(({ value }) => value.numeric));
  const longest = values.map(({ value }) => value.title).reduce((a, b) => (a.length > b.length ? a : b), '');
  const text = values.map(({ value }) => formattedValueToString(value)).reduce((a, b) => (a.length > b.length ? a : b), '');
  return (
    <VizRepeater
      getValues={() => values} source={props.frames} width={w} height={h} itemSpacing={10} orientation="horizontal" renderCounter={1} minVizHeight={16} autoGrid={false}
      renderValue={({ value: { value, field }, width, height }) => (
        <BarGauge theme={theme} width={width} height={Math.min(height, 40)} value={value} field={{ ...field.config, max: field.config.max ?? max, min: field.config.min ?? 0 }} display={field.display}
          orientation="horizontal" displayMode={panel.options.displayMode} showUnfilled alignmentFactors={{ title: longest, text }} namePlacement="left" valueDisplayMode="text" />
      )}
    />
  );
}

function Table({ panel, frames, w, h, range }) {
  return <TableNG data={frames[0]} width={w} height={h} structureRev={1} getActions={() => []} timeRange={range} fieldConfig={panel.fieldConfig} cellHeight={panel.options.cellHeight} />;
}

const SHAPES = {
  timeseries: Course, stat: Stat, bargauge: Bars, table: Table,
  gauge: (props) => <Dial values={last(props)} {...props} />, heatmap: Heatmap, 'state-timeline': StateTimeline,
};
