// Bundles the page, draws every board of a data file in headless Chromium and writes small PNGs.
import esbuild from 'esbuild';
import fs from 'node:fs';
import path from 'node:path';
import puppeteer from 'puppeteer-core';
import http from 'node:http';
import UPNG from 'upng-js';

// Arguments: data, folder for the pictures, then optionally a part of a board's name, and "unfolded" to see the folded rows too.
const [source, target, only, unfolded] = process.argv.slice(2);
const WIDTH = 1440, SCREEN = 900, TOP = 96, CELL = 38, COLOURS = 160;
const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';

await esbuild.build({
  entryPoints: ['src/page.jsx'], bundle: true, outfile: 'build/bundle.js', platform: 'browser', format: 'iife', jsx: 'automatic', logLevel: 'error',
  loader: { '.svg': 'dataurl', '.png': 'dataurl', '.woff2': 'dataurl', '.ttf': 'dataurl' },
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  alias: { path: './src/empty.js', fs: './src/empty.js', stream: './src/empty.js', jquery: './src/empty.js' },
});

const { boards, exemplars } = JSON.parse(fs.readFileSync(source, 'utf8'));
const server = http.createServer(serve).listen(0, '127.0.0.1');
const browser = await puppeteer.launch({ executablePath: chromium, args: ['--no-sandbox', '--allow-file-access-from-files', '--force-color-profile=srgb'] });
let problems = 0;
try {
  for (const one of boards) if (!only || one.board.uid.includes(only)) problems += await draw(one);
} finally {
  await browser.close();
  server.close();
}
process.exitCode = problems ? 1 : 0;

async function draw(one) {
  if (unfolded) one.board.panels = one.board.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  const bottom = Math.max(...one.board.panels.map(({ gridPos: { y, h } }) => y + h));
  const height = Math.max(SCREEN, TOP + bottom * CELL);
  const data = JSON.stringify({ ...one, exemplars, width: WIDTH, height, unfolded }).replace(/</g, '\\u003c');
  const html = `<!doctype html><meta charset=utf-8><link rel=stylesheet href=bundle.css><style>body{margin:0}</style><script>window.__grafana_public_path__="/public/";Date.now=()=>${one.to}</script><div id=root></div><script>window.__DATA__=${data}</script><script src=bundle.js></script>`;
  const file = path.resolve('build', `${one.board.uid}.html`);
  fs.writeFileSync(file, html);
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error).slice(0, 300)));
  await page.setViewport({ width: WIDTH, height });
  await page.goto(`http://127.0.0.1:${server.address().port}/${path.basename(file)}`);
  await page.waitForNetworkIdle({ idleTime: 500 });
  const found = await page.$$eval('[data-panel]', (panels) => panels.map((panel) => [panel.dataset.panel, panel.querySelector('[data-problem]')?.dataset.problem]).filter(([, problem]) => problem));
  const shot = await page.screenshot({ type: 'png' });
  await page.close();
  const name = `board-${one.board.uid.replace('otel-llm-', '')}.png`;
  fs.mkdirSync(target, { recursive: true });
  fs.writeFileSync(path.join(target, name), small(shot));
  console.log(name, `${WIDTH}x${height}`, `${Math.round(fs.statSync(path.join(target, name)).size / 1024)} kB`, [...found, ...errors]);
  return errors.length;
}

function serve({ url }, answer) {
  const name = decodeURIComponent(url.split('?')[0]);
  const file = name.startsWith('/public/') ? path.join('node_modules/@grafana/ui/dist', name) : path.join('build', name);
  const type = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }[path.extname(file)];
  if (!fs.existsSync(file)) return answer.writeHead(404).end();
  answer.writeHead(200, { 'content-type': type ?? 'application/octet-stream' }).end(fs.readFileSync(file));
}

function small(shot) {
  const picture = UPNG.decode(shot);
  return Buffer.from(UPNG.encode(UPNG.toRGBA8(picture), picture.width, picture.height, COLOURS));
}
