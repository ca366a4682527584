// How long the page's own scripts hold a frame, from the browser's trace, and how soon a large gallery is there, of a server that has one:
// node tests/frames.mjs [PROGRAM]. With ESPALIER_SERVER=http://127.0.0.1:PORT it is the newest asset of that server. The exit status is 1 where a limit of docs/studio.md is passed.
import {readdirSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const [, , program] = process.argv;
if (program) process.env.ESPALIER_PROGRAM = program;
const {asset, launch, newPage, open, Server, viewsHave} = await import('./browser/support.mjs');
const {fill, MANY, pretend} = await import('./browser/many.mjs');

const FRAME = 100;     // ms
const OPENING = 1000;  // ms
const OPENINGS = 5;
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

/** Milliseconds by the page's own clock from the click that opens the gallery to its first thumbnail, and until all that are in sight are drawn. */
async function opening(page) {
  await page.evaluate(() => {
    window.opening = new Promise((resolve) => {
      let [begun, first] = [0, 0];
      document.addEventListener('click', () => (begun = performance.now()), {capture: true, once: true});
      const seen = new MutationObserver(() => {
        const there = document.querySelectorAll('.grid-cell img').length;
        if (there > 0) first ||= performance.now() - begun;
        if (there === 0 || there < document.querySelectorAll('.grid-cell').length) return;
        seen.disconnect();
        requestAnimationFrame(() => requestAnimationFrame(() => resolve({first, drawn: performance.now() - begun})));
      });
      seen.observe(document.body, {childList: true, subtree: true});
    });
  });
  await page.getByRole('button', {name: 'Show all'}).click();
  return page.evaluate(() => window.opening);
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

  if (!running) await fill(server, job);
  const times = [];
  for (let i = 0; i < OPENINGS; ++i) {
    const many = await newPage(browser);
    if (running) await pretend(many, job);
    await many.goto(server.url);
    await many.locator('.card').first().waitFor();
    await many.waitForLoadState('networkidle');
    note(`gallery of ${MANY}: open, 20 pages, search`, await traced(browser, many, async () => {
      times.push(await opening(many));
      await many.getByText(/2,000 assets/).waitFor();
      await many.getByRole('listbox').focus();
      for (let k = 0; k < 20; ++k) await many.keyboard.press('PageDown');
      await many.getByRole('searchbox').fill('lamp 10');
      await many.waitForTimeout(300);
    }));
    await many.context().close();
  }
  const median = (of) => Math.round(times.map(of).sort((x, y) => x - y)[Math.floor(OPENINGS / 2)]);
  console.log(`gallery of ${MANY}, median of ${OPENINGS} pages: the first thumbnail ${median(({first}) => first)} ms after the click, all in sight drawn ${median(({drawn}) => drawn)} ms after it`);
  failed ||= median(({drawn}) => drawn) > OPENING;

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
