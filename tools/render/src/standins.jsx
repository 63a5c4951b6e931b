// Stand-ins for panels that Grafana keeps in its server: the dial of a gauge, the heatmap, the state timeline.
import React, { useEffect, useRef } from 'react';
import { dateTimeFormat, formattedValueToString, getValueFormat } from '@grafana/data';

const AXIS = { left: 84, bottom: 22, right: 8, top: 6 };

function Canvas({ w, h, draw }) {
  const ref = useRef(null);
  useEffect(() => {
    const ratio = window.devicePixelRatio, canvas = ref.current;
    Object.assign(canvas, { width: w * ratio, height: h * ratio });
    const pen = canvas.getContext('2d');
    pen.scale(ratio, ratio);
    pen.font = '12px Inter, Helvetica, Arial, sans-serif';
    draw(pen);
  });
  return <canvas ref={ref} style={{ width: w, height: h }} />;
}

function times(pen, { w, h, range, theme }, left = AXIS.left) {
  const from = +range.from, to = +range.to, count = Math.max(2, Math.min(6, Math.floor((w - left) / 90)));
  const each = [15, 30, 60, 120, 180, 240].map((minutes) => minutes * 60000).find((gap) => (to - from) / gap <= count) ?? 14400000;
  pen.fillStyle = theme.colors.text.primary;
  pen.textAlign = 'center';
  for (let at = Math.ceil(from / each) * each; at <= to; at += each) {
    const x = left + ((at - from) / (to - from)) * (w - left - AXIS.right);
    if (x > left + 14 && x < w - 20) pen.fillText(dateTimeFormat(at, { format: 'HH:mm', timeZone: 'utc' }), x, h - 6);
  }
}

export function Heatmap(props) {
  const { panel, frames, w, h, theme, range, step } = props;
  const rows = frames.map((frame) => ({ le: frame.name === '+Inf' ? Infinity : parseFloat(frame.name), frame })).sort((a, b) => a.le - b.le);
  const cells = rows.map(({ frame }, index) => frame.fields[1].values.map((value, i) => Math.max(0, value - (index ? rows[index - 1].frame.fields[1].values[i] : 0))));
  const used = rows.map((_, index) => index).filter((index) => cells[index].some((value) => value > 0.05));
  const low = Math.max(0, used[0] - 1), high = Math.min(rows.length - 1, used.at(-1) + 1);
  const most = Math.max(...cells.flat());
  const format = getValueFormat(panel.options.yAxis.unit);
  const draw = (pen) => {
    const count = high - low + 1, tall = (h - AXIS.bottom - AXIS.top) / count, from = +range.from, span = +range.to - from;
    const wide = ((step * 1000) / span) * (w - AXIS.left - AXIS.right);
    for (let row = low; row <= high; row++) {
      const y = h - AXIS.bottom - (row - low + 1) * tall;
      rows[row].frame.fields[0].values.forEach((at, i) => {
        const share = Math.pow(cells[row][i] / most, 0.5);
        if (share < 0.01) return;
        pen.fillStyle = `hsl(${212 - 12 * share} ${60 + 30 * share}% ${16 + 58 * share}%)`;
        pen.fillRect(AXIS.left + ((at - from) / span) * (w - AXIS.left - AXIS.right) - wide, y, Math.max(1, wide - 0.5), tall - 1);
      });
      if ((row - low) % Math.ceil(count / (h / 26)) === 0 && Number.isFinite(rows[row].le)) {
        pen.fillStyle = theme.colors.text.primary;
        pen.textAlign = 'right';
        pen.fillText(formattedValueToString(format(rows[row].le)), AXIS.left - 6, y + 4);
      }
    }
    times(pen, props);
  };
  return <Canvas w={w} h={h} draw={draw} />;
}

export function StateTimeline(props) {
  const { panel, frames, w, h, theme, range, step } = props;
  const states = panel.fieldConfig.defaults.mappings[0].options;
  const left = 90, tall = Math.min(46, (h - 60) / frames.length);
  const draw = (pen) => {
    const from = +range.from, span = +range.to - from, place = (at) => left + ((at - from) / span) * (w - left - AXIS.right);
    frames.forEach((frame, row) => {
      const y = 6 + row * (tall + 8);
      pen.fillStyle = theme.colors.text.primary;
      pen.textAlign = 'right';
      pen.fillText(frame.name, left - 8, y + tall / 2 + 4);
      runs(frame.fields[0].values, frame.fields[1].values).forEach(([since, until, value]) => {
        const { color, text } = states[value], x = place(since), wide = place(Math.min(until + step * 1000, +range.to)) - x;
        pen.globalAlpha = 0.7;
        pen.fillStyle = theme.visualization.getColorByName(color);
        pen.fillRect(x, y, wide, tall);
        pen.globalAlpha = 1;
        pen.fillStyle = '#fff';
        pen.textAlign = 'left';
        if (wide > pen.measureText(text).width + 10) pen.fillText(text, x + 5, y + tall / 2 + 4);
      });
    });
    times(pen, { ...props, h: h - 22 }, left);
    Object.values(states).forEach(({ text, color }, index) => {
      pen.fillStyle = theme.visualization.getColorByName(color);
      pen.fillRect(8 + index * 90, h - 11, 14, 4);
      pen.fillStyle = theme.colors.text.primary;
      pen.textAlign = 'left';
      pen.fillText(text, 28 + index * 90, h - 5);
    });
  };
  return <Canvas w={w} h={h} draw={draw} />;
}

function runs(at, values) {
  const found = [];
  values.forEach((value, i) => {
    const run = found.at(-1);
    if (run && run[2] === value) run[1] = at[i];
    else found.push([at[i], at[i], value]);
  });
  return found;
}

export function Dial({ values, w, h, theme }) {
  const each = w / values.length;
  const draw = (pen) => values.forEach((one, index) => dial(pen, one, (index + 0.5) * each, each, h, theme, values.length > 1));
  return <Canvas w={w} h={h} draw={draw} />;
}

function dial(pen, { value, field }, x, w, h, theme, named) {
  const { min = 0, max = 1, thresholds } = field.config;
  const room = named ? 18 : 0, radius = Math.min(w / 2 - 10, (h - room) / 1.75), y = (h - room) / 2 + radius * 0.35;
  const angle = (v) => Math.PI * (0.85 + 1.3 * Math.min(1, Math.max(0, (v - min) / (max - min))));
  const arc = (from, to, r, width, colour) => {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    pen.arc(x, y, r, angle(from), angle(to));
    pen.stroke();
  };
  arc(min, max, radius * 0.78, radius * 0.3, theme.colors.background.secondary);
  arc(min, value.numeric, radius * 0.78, radius * 0.3, value.color);
  thresholds.steps.forEach((one, i, all) => arc(Math.max(min, one.value), all[i + 1]?.value ?? max, radius * 0.98, 4, theme.visualization.getColorByName(one.color)));
  pen.fillStyle = value.color;
  pen.textAlign = 'center';
  pen.font = `500 ${Math.round(radius * 0.36)}px Inter, Helvetica, Arial, sans-serif`;
  pen.fillText(formattedValueToString(value), x, y + radius * 0.14);
  pen.font = '12px Inter, Helvetica, Arial, sans-serif';
  pen.fillStyle = theme.colors.text.primary;
  if (named) pen.fillText(value.title, x, h - 4);
}
