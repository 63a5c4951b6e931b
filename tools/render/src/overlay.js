// Annotations and exemplars, which Grafana draws in its panel plugins and not in its components.
const OF_CALLS = /gen_ai_client_operation_duration_seconds_bucket/;

export function overlay(builder, { panel, notes, exemplars, theme, range, step }) {
  if (builder.__drawn) return;
  builder.__drawn = true;
  const marks = Object.entries(notes).flatMap(([name, series]) => series.flatMap((one) => starts(one, step).filter((at) => at * 1000 > +range.from).map((at) => ({ at, colour: name === 'Alerts' ? theme.visualization.getColorByName('red') : theme.visualization.getColorByName('purple') }))));
  const wanted = panel.targets.some((one) => one.exemplar && OF_CALLS.test(one.expr));
  const points = wanted ? sampled(exemplars.filter((one) => one.at * 1000 > +range.from && !one.labels.error_type), range) : [];
  builder.addHook('draw', (u) => {
    u.ctx.save();
    marks.forEach(({ at, colour }) => mark(u, at * 1000, colour));
    points.forEach((one) => diamond(u, one, theme.visualization.getColorByName('blue')));
    u.ctx.restore();
  });
}

// Grafana thins exemplars out as well: here the slowest of each moment.
function sampled(all, range) {
  const each = (range.to - range.from) / 90000, slowest = new Map();
  for (const one of all) {
    const moment = Math.floor(one.at / each);
    if (!(slowest.get(moment)?.value > one.value)) slowest.set(moment, one);
  }
  return [...slowest.values()];
}

// The moments at which a condition began: points without one before them.
function starts({ values }, step) {
  return values.map(([at]) => at).filter((at, index, all) => index === 0 || at - all[index - 1] > 1.5 * step);
}

function mark(u, at, colour) {
  const x = Math.round(u.valToPos(at, 'x', true));
  if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) return;
  u.ctx.strokeStyle = colour;
  u.ctx.fillStyle = colour;
  u.ctx.setLineDash([4, 4]);
  u.ctx.beginPath();
  u.ctx.moveTo(x, u.bbox.top);
  u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
  u.ctx.stroke();
  u.ctx.beginPath();
  u.ctx.moveTo(x - 4, u.bbox.top + u.bbox.height + 6);
  u.ctx.lineTo(x + 4, u.bbox.top + u.bbox.height + 6);
  u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
  u.ctx.fill();
}

function diamond(u, { at, value }, colour) {
  const { scale } = u.series[1];
  const { max } = u.scales[scale];
  if (value > max) return;
  const x = u.valToPos(at * 1000, 'x', true), y = u.valToPos(value, scale, true);
  u.ctx.fillStyle = colour;
  u.ctx.beginPath();
  [[0, -4], [4, 0], [0, 4], [-4, 0]].forEach(([dx, dy]) => u.ctx.lineTo(x + dx, y + dy));
  u.ctx.fill();
}
