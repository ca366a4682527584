// How long the page's own scripts hold a frame, from the browser's trace, and how soon a large gallery is there:
// node tests/frames.mjs [PROGRAM]. With ESPALIER_SERVER=http://127.0.0.1:PORT it is the newest asset of that server. The exit status is 1 where a limit of docs/studio.md is passed.
import {readdirSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const [, , program] = process.argv;
if (program) process.env.ESPALIER_PROGRAM = program;
const {asset, launch, newPage, open, Server, viewsHave} = await import('./browser/support.mjs');
const {MANY, pretend} = await import('./browser/many.mjs');

const FRAME = 100;     // ms
const OPENING = 1000;  // ms
const FACES = 50000;

/** What a trace says of scripts of that origin: how often they were entered, and the longest time on their thread and by the clock. */
function longest(events, origin) {
  const entered = events.filter(({name, args, tdur}) => tdur > 0 && (name === 'RunMicrotasks' || ['FunctionCall', 'EvaluateScript', 'v8.run', 'v8.evaluateModule'].includes(name) &&
    `${args?.data?.url ?? args?.fileName ?? ''}`.startsWith(origin)));
  const most = (of) => Math.max(0, ...entered.map(of)) / 1000;
  return {count: entered.length, thread: most(({tdur}) => tdur), clock: most(({dur}) => dur)};
}

/** Traces what `work` does to a page. */
async function traced(browser, page, work) {
  await browser.startTracing(page, {categories: ['devtools.timeline', 'v8.execute', 'disabled-by-default-devtools.timeline']});
  await work();
  return JSON.parse((await browser.stopTracing()).toString()).traceEvents;
}

/** A drag around the object, as a hand makes it. */
async function orbit(page) {
  const {x, y, width, height} = await page.locator('.canvas-place').boundingBox();
  const [cx, cy] = [x + width / 2, y + height / 2];
  await page.mouse.move(cx, cy);
  await page.mouse.down();
  for (let i = 0; i < 24; ++i) {
    await page.mouse.move(cx + 150 * Math.sin(i / 4), cy + 50 * Math.sin(i / 3));
  }
  await page.mouse.up();
  await page.waitForTimeout(400);
}

const browser = await launch();
const running = process.env.ESPALIER_SERVER;
const server = running ? Server.at(running) : await Server.start();
let failed = false;
const note = (what, events) => {
  const {count, thread, clock} = longest(events, server.url);
  console.log(`${what}: scripts entered ${count} times, the longest ${thread.toFixed(1)} ms on their thread, ${clock.toFixed(1)} ms by the clock`);
  failed ||= count === 0 || thread > FRAME;
};

try {
  const job = running ? (await server.json('/v1/jobs?kind=assets&limit=1')).jobs[0] : await asset(server, 'large', {faces: FACES, simplify: undefined, structure: {steps: 12}, latent: {steps: 8}});
  console.log(`asset: ${job.report.faces} faces, ${job.report.gaussians} Gaussians`);
  const page = await newPage(browser, {viewport: {width: 960, height: 640}});
  note('load the page', await traced(browser, page, async () => {
    await page.goto(server.url);
    await page.locator('.example').first().waitFor();
    await page.waitForLoadState('networkidle');
  }));
  note('open the asset', await traced(browser, page, async () => {
    await page.locator(`.card[data-job="${job.id}"] .card-open`).click();
    await viewsHave(page, 'splats');
    await viewsHave(page, 'checker');
    await page.waitForTimeout(1500);
  }));
  for (const view of ['Textured', 'Wireframe', 'Splats']) {
    note(`${view}: switch and orbit`, await traced(browser, page, async () => {
      await page.getByRole('radio', {name: view, exact: true}).check();
      await orbit(page);
    }));
  }
  await page.context().close();

  const many = await newPage(browser);
  await pretend(many, job);
  await many.goto(server.url);
  await many.locator('.card').first().waitFor();
  const times = [];
  note(`gallery of ${MANY}: open, 20 pages, search`, await traced(browser, many, async () => {
    for (let i = 0; i < 3; ++i) {
      const begun = performance.now();
      await many.getByRole('button', {name: 'Show all'}).click();
      await many.locator('.grid-cell img').first().waitFor();
      times.push(performance.now() - begun);
      await many.getByText(/2,000 assets/).waitFor();
      if (i < 2) await many.keyboard.press('Escape');
    }
    await many.getByRole('listbox').focus();
    for (let i = 0; i < 20; ++i) await many.keyboard.press('PageDown');
    await many.getByRole('searchbox').fill('lamp 10');
    await many.waitForTimeout(300);
  }));
  await many.context().close();
  const [first, ...again] = times.map(Math.round);
  console.log(`gallery of ${MANY}: first thumbnails ${first} ms after the click, ${again.join(' and ')} ms the next times`);
  failed ||= first > OPENING;

  const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
  let bundle = 0;
  for (const path of ['', ...readdirSync(join(dist, 'assets')).map((name) => `assets/${name}`)]) {
    const response = await fetch(server.url + path, {headers: {'Accept-Encoding': 'gzip'}});
    await response.arrayBuffer();
    bundle += Number(response.headers.get('content-length'));
  }
  console.log(`bundle: ${(bundle / 1e6).toFixed(2)} MB as sent`);
} finally {
  await browser.close();
  await server.stop();
}
process.exit(failed ? 1 : 0);
