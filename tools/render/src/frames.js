// Prometheus's answers as Grafana's data frames, with the panel's transformations, field configuration and overrides.
import { FieldType, getDisplayProcessor, toDataFrame } from '@grafana/data';

const name = (legend, metric) => (legend ? legend.replace(/\{\{\s*([$\w]+)\s*\}\}/g, (_, label) => metric[label === '$label' ? 'tenant' : label] ?? '') : JSON.stringify(metric));
const number = (text) => (text === '+Inf' ? Infinity : text === 'NaN' ? null : parseFloat(text));

export function framesOf(panel, answers, theme) {
  const frames = panel.type === 'table' ? [tableOf(panel, answers)].filter(Boolean) : seriesOf(panel, answers);
  frames.forEach((frame, index) => frame.fields.forEach((field) => configure(field, panel, index, theme)));
  return frames;
}

function seriesOf(panel, answers) {
  const frames = [];
  for (const target of panel.targets) {
    for (const series of answers[`${panel.id}:${target.refId}`] ?? []) {
      const points = series.values ?? [series.value];
      const title = name(target.legendFormat, series.metric);
      frames.push(
        toDataFrame({
          name: title, refId: target.refId,
          fields: [
            { name: 'Time', type: FieldType.time, values: points.map(([at]) => at * 1000) },
            { name: 'Value', type: FieldType.number, labels: series.metric, values: points.map(([, value]) => number(value)), config: { displayName: title } },
          ],
        })
      );
    }
  }
  return frames;
}

// What the table format, "merge", "filterFieldsByName" and "organize" make of instant answers.
function tableOf(panel, answers) {
  const several = panel.targets.length > 1;
  const rows = new Map();
  for (const target of panel.targets) {
    for (const { metric, value } of answers[`${panel.id}:${target.refId}`] ?? []) {
      const key = JSON.stringify(Object.entries(metric).sort());
      rows.set(key, { ...(rows.get(key) ?? metric), [several ? `Value #${target.refId}` : 'Value']: number(value[1]) });
    }
  }
  if (!rows.size) return null;
  const steps = Object.fromEntries(panel.transformations.map((one) => [one.id, one.options]));
  const { renameByName: titles, indexByName: order } = steps.organize;
  const names = steps.filterFieldsByName.include.names.toSorted((a, b) => order[a] - order[b]);
  const sorted = [...rows.values()];
  const by = panel.options.sortBy?.[0];
  const source = by && names.find((one) => titles[one] === by.displayName);
  if (source) sorted.sort((a, b) => (by.desc ? compared(b[source], a[source]) : compared(a[source], b[source])));
  return toDataFrame({
    refId: 'A',
    fields: names.map((one) => ({
      name: titles[one], type: one.startsWith('Value') ? FieldType.number : FieldType.string, values: sorted.map((row) => row[one] ?? null), config: {},
    })),
  });
}

function compared(one, other) {
  return typeof (one ?? other) === 'string' ? (one ?? '').localeCompare(other ?? '') : (one ?? -Infinity) - (other ?? -Infinity) || 0;
}

function configure(field, panel, index, theme) {
  const { defaults, overrides } = panel.fieldConfig;
  const title = field.config?.displayName ?? field.name;
  const custom = { ...(defaults.custom ?? {}) };
  const config = { ...defaults, color: defaults.color ?? { mode: 'palette-classic' }, ...field.config, custom };
  if (field.type === FieldType.string) delete config.unit;
  for (const { matcher, properties } of overrides) {
    if (matcher.id !== 'byName' || matcher.options !== title) continue;
    for (const { id, value } of properties) {
      if (id.startsWith('custom.')) custom[id.slice(7)] = value;
      else config[id] = value;
    }
  }
  delete config.links;
  if (config.thresholds) config.thresholds = { ...config.thresholds, steps: config.thresholds.steps.map((one) => ({ ...one, value: one.value ?? -Infinity })) };
  field.config = config;
  field.state = { seriesIndex: index, displayName: field.type === FieldType.time ? 'Time' : title };
  if (field.type === FieldType.number) {
    const known = field.values.filter(Number.isFinite), min = config.min ?? Math.min(...known), max = config.max ?? Math.max(...known);
    field.state.range = { min, max, delta: max - min };
  }
  field.display = getDisplayProcessor({ field, theme, timeZone: 'utc' });
}
