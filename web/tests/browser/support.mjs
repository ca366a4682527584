// What the browser tests share: the program as a server, Chromium, and pages that remember their complaints.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {basename, dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {chromium} from 'playwright-core';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
export const example = (name) => join(root, 'examples', name);
export const LIGHT = '08-tree.png';  // the example of the fewest voxels; an asset of another image is no version of its assets
const program = process.env.ESPALIER_PROGRAM ?? join(root, 'build/release/bin/espalier');
const shots = process.env.ESPALIER_SHOTS ?? join(root, 'build/studio-shots');
mkdirSync(shots, {recursive: true});

/** Long enough for two cores that are shared with others; no test passes or fails by how fast it is. */
export const PATIENCE = 240000;  // with a job
const ANSWER = 60000;            // with the page

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
      const {port} = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** `espalier serve` with a folder of its own, which outlives a restart. */
export class Server {
  static async start(...more) {
    const server = new Server();
    server.port = await freePort();
    server.data = mkdtempSync(join(tmpdir(), 'espalier-studio-'));
    server.more = more;
    await server.run();
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  async run() {
    this.log = '';
    this.child = spawn(program, ['serve', '--port', String(this.port), '--data', this.data, '--device', 'cpu', ...this.more], {stdio: ['ignore', 'pipe', 'pipe']});
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (text) => (this.log += text));
    for (;;) {
      assert.equal(this.child.exitCode, null, `the server ended at once: ${this.log}`);
      const ready = await fetch(new URL('/health', this.url)).then((response) => response.ok, () => false);
      if (ready) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** In good order; what it has stays. */
  async end() {
    this.child.kill('SIGTERM');
    await this.ended;
  }

  async stop() {
    await this.end();
    rmSync(this.data, {recursive: true, force: true});
  }

  /** One that runs already, and goes on running. */
  static at(url) {
    const server = new Server();
    server.port = Number(new URL(url).port);
    server.stop = async () => undefined;
    return server;
  }

  async json(path, init) {
    return (await fetch(new URL(path, this.url), init)).json();
  }
}

/** A small finished asset, made without the page; `raw_mesh` leaves its mesh as it was decoded. */
export async function asset(server, name, options = {}, image = LIGHT) {
  const finish = options.raw_mesh ? {} : {faces: 2000, texture_size: 512, bake: 'fast'};
  const form = new FormData();
  form.set('image', new Blob([readFileSync(example(image))]), image);
  form.set('options', JSON.stringify({name, seed: 1, structure: {steps: 3}, latent: {steps: 3}, ...finish, formats: ['glb'], ...options}));
  return ended(server, await server.json('/v1/jobs', {method: 'POST', body: form}));
}

/** A job once it has ended. */
export async function ended(server, {id}) {
  for (;;) {
    const job = await server.json(`/v1/jobs/${id}`);
    if (job.state === 'done') return job;
    assert.ok(['queued', 'running'].includes(job.state), JSON.stringify(job.error));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const SOFTWARE = ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'];
export const browserPath = process.env.ESPALIER_CHROMIUM ?? '/usr/bin/chromium';
export const launch = (gl = SOFTWARE) => chromium.launch({executablePath: browserPath, args: ['--no-sandbox', '--disable-dev-shm-usage', ...gl]});

/** A page of its own context; `page.complaints` collects errors and warnings of the console, and exceptions. */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 820}, acceptDownloads: true, colorScheme: 'light', ...options});
  const page = await context.newPage();
  page.setDefaultTimeout(ANSWER);
  page.complaints = [];
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type())) return;
    const {url} = message.location();
    // Chromium's own remarks say nothing about the page: on reading pixels from a software renderer, and on files that show a job while it runs,
    // which are gone when a page on a busy machine asks for them, because better ones have come.
    if (/GPU stall due to ReadPixels/.test(message.text()) || /status of 404/.test(message.text()) && /\/(structure-\d+\.ply|preview\.glb)$/.test(url)) return;
    page.complaints.push(`${message.text()} ${url}`);
  });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  return page;
}

export async function open(browser, server, options = {}) {
  const page = await newPage(browser, options);
  await page.goto(server.url + (options.hash ?? ''));
  await page.locator('.example').first().waitFor();
  return page;
}

export const shot = (page, name) => page.screenshot({path: join(shots, `${name}.png`), animations: 'disabled'});

/** What axe-core has to say against the page: rules, and the elements that break them. */
export async function axe(page) {
  await page.evaluate(axeSource);
  const {violations} = await page.evaluate(() => window.axe.run(document, {resultTypes: ['violations']}));
  return violations.map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html.slice(0, 160)).join(' | ')}`);
}

function transferOf(page, files) {
  return page.evaluateHandle(async (list) => {
    const transfer = new DataTransfer();
    for (const {name, base64, type} of list) {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      transfer.items.add(new File([bytes], name, {type}));
    }
    return transfer;
  }, files);
}

/** Drops files on the page as a person does. */
export async function drop(page, ...files) {
  const data = await transferOf(page, files);
  for (const type of ['dragenter', 'dragover', 'drop']) await page.dispatchEvent('body', type, {dataTransfer: data});
}

export async function paste(page, ...files) {
  const data = await transferOf(page, files);
  await page.evaluate((clipboardData) => document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData, bubbles: true, cancelable: true})), data);
}

export function fileOf(path, name = basename(path)) {
  return {name, type: 'image/png', base64: readFileSync(path).toString('base64')};
}

export async function openGroup(page, title, within = page) {
  const group = within.locator('details', {has: page.locator('summary', {hasText: title})}).first();
  if (!(await group.evaluate((element) => element.open))) await group.locator('summary').first().click();
  return group;
}

/** Few steps, for tests that care about the way and not about the asset. */
export async function setSteps(page, structure, latent = structure) {
  for (const [title, steps] of [['Stage 1', structure], ['Stage 2', latent]]) {
    const group = await openGroup(page, title);
    await group.getByRole('spinbutton', {name: 'Steps'}).fill(String(steps));
    await group.locator('summary').click();
  }
}

export async function setFinish(page, finish) {
  const group = await openGroup(page, 'Mesh, texture and files', page.locator('.make'));
  await group.getByLabel('Finish the mesh').setChecked(finish);
  return group;
}

export const cutoutReady = (page) => page.locator('.image[aria-busy="false"] .checked img').first().waitFor();
/** The browser has kept so many images, and masks made by hand: that is done a moment after they changed. */
export const draftKept = (page, images, masks = 0) => page.waitForFunction(async (wanted) => {
  const answer = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const database = await answer(indexedDB.open('espalier-studio'));
  const draft = await answer(database.transaction('drafts').objectStore('drafts').get('images'));
  database.close();
  return draft && [draft.files.length, draft.masks.filter(Boolean).length].join() === wanted;
}, [images, masks].join());
/** The user's own images make room for others. */
export const replaced = (page) => page.getByRole('dialog').getByRole('button', {name: 'Replace'}).click();
export const generate = (page) => page.getByRole('button', {name: 'Generate'}).click();
export const viewsHave = (page, view) => page.locator(`.canvas-place[data-views~="${view}"]`).waitFor({timeout: PATIENCE});
/** A job in that phase. */
export const reached = (page, phase) => page.locator('.phases .current', {hasText: phase}).waitFor({timeout: PATIENCE});
export const finished = (page) => page.locator('.details .downloads').first().waitFor({timeout: PATIENCE});

/** The image in the viewer once it stands still: labels and the input beside it come a moment after what is drawn. */
export async function stillView(page) {
  const end = Date.now() + PATIENCE;
  for (let before = Buffer.alloc(0);;) {
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    const now = await page.locator('.canvas-place canvas').screenshot();
    if (now.equals(before)) return now;
    if (Date.now() > end) throw new Error('the viewer does not come to rest');
    before = now;
  }
}

/** Share of the pixels that differ between two images of one size by more than antialiasing does. */
export function differing(page, one, other) {
  return page.evaluate(async (images) => {
    const [a, b] = await Promise.all(images.map(async (base64) => {
      const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], {type: 'image/png'}));
      const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
      pen.drawImage(bitmap, 0, 0);
      return pen.getImageData(0, 0, bitmap.width, bitmap.height);
    }));
    if (a.width !== b.width || a.height !== b.height) return 1;
    let count = 0;
    for (let i = 0; i < a.data.length; i += 4) count += [0, 1, 2].some((c) => Math.abs(a.data[i + c] - b.data[i + c]) > 12) ? 1 : 0;
    return count / (a.data.length / 4);
  }, [one, other].map((bytes) => bytes.toString('base64')));
}

export async function save(page, click) {
  const [download] = await Promise.all([page.waitForEvent('download', {timeout: PATIENCE}), click()]);
  return {name: download.suggestedFilename(), bytes: readFileSync(await download.path())};
}
