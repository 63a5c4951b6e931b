// One board as Grafana would show it: Grafana's own components where npm has them, stand-ins for the rest.
import { createRoot } from 'react-dom/client';
import { createTheme, dateTime } from '@grafana/data';
import { GlobalStyles, PanelChrome, ThemeContext } from '@grafana/ui';
import { framesOf } from './frames.js';
import { Panel } from './panels.jsx';

const { board, answers, notes, exemplars, from, to, step, width, height, unfolded } = window.__DATA__;
const theme = createTheme({ colors: { mode: 'dark' } });
const range = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
const SIDE = 16, CELL = 30, GAP = 8, TOP = 96;
const column = (width - 2 * SIDE + GAP) / 24;
const text = theme.typography.body;
const words = (template) => template.replaceAll('$label', 'tenant');

function Header() {
  const pick = (label, value) => (
    <span key={label} style={{ display: 'inline-flex', marginRight: 8, height: 32, lineHeight: '30px', fontSize: 12 }}>
      <span style={{ background: theme.colors.background.secondary, padding: '0 8px', fontWeight: 500 }}>{label}</span>
      <span style={{ border: `1px solid ${theme.colors.border.medium}`, padding: '0 8px', background: theme.colors.background.canvas }}>{value} ▾</span>
    </span>
  );
  const list = board.templating.list.map((one) => pick(one.label, one.type === 'datasource' ? { prometheus: 'Prometheus', tempo: 'Tempo' }[one.query] : one.current.text));
  const hours = Math.round((to - from) / 3600000);
  return (
    <div style={{ position: 'absolute', left: SIDE, right: SIDE, top: 0, height: TOP - 8, color: theme.colors.text.primary, ...text }}>
      <div style={{ height: 44, lineHeight: '44px', fontSize: 14 }}>
        <span style={{ color: theme.colors.text.secondary }}>Dashboards › LLM › </span>
        {board.title}
        <span style={{ float: 'right', color: theme.colors.text.secondary, fontSize: 12 }}>Last {hours} hours · drawn with Grafana's UI components, not a Grafana server; data of a scripted run</span>
      </div>
      {list}
    </div>
  );
}

function place({ x, y, w, h }) {
  return { position: 'absolute', left: SIDE + x * column, top: TOP + y * (CELL + GAP), width: w * column - GAP, height: h * (CELL + GAP) - GAP };
}

function Row({ row }) {
  return (
    <div style={{ ...place(row.gridPos), ...text, color: theme.colors.text.primary, fontWeight: 500, lineHeight: '30px' }}>
      {row.collapsed && !unfolded ? '›' : '⌄'}&nbsp; {row.title}
      {row.collapsed && !unfolded && <span style={{ color: theme.colors.text.secondary, fontWeight: 400 }}> ({row.panels.length} panels)</span>}
    </div>
  );
}

function One({ panel }) {
  const at = place(panel.gridPos);
  const frames = framesOf(panel, answers, theme);
  return (
    <div style={at} data-panel={panel.title}>
      <PanelChrome title={words(panel.title)} description={words(panel.description)} width={at.width} height={at.height} padding="md">
        {(w, h) => <Panel {...{ panel, frames, w, h, theme, range, notes, exemplars, step }} />}
      </PanelChrome>
    </div>
  );
}

createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <div style={{ position: 'relative', background: theme.colors.background.canvas, width, height }}>
      <Header />
      {board.panels.map((panel) => (panel.type === 'row' ? <Row key={panel.id} row={panel} /> : <One key={panel.id} panel={panel} />))}
    </div>
  </ThemeContext.Provider>
);
