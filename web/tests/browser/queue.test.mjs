// The queue, the tab while jobs run, and settings that leave the page.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {after, before, test} from 'node:test';
import {asset, axe, cutoutReady, drop, example, fileOf, generate, launch, LIGHT, newPage, open, openGroup, PATIENCE, Server, setFinish, setSteps, shot} from './support.mjs';

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const ENDLESS = {structure: {steps: 1000}, latent: {steps: 1000}};  // until it is cancelled
const pause = (paused) => server.json('/v1/queue', {method: 'PATCH', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({paused})});

/** A job that is made without the page; not of the image that `asset` has. */
async function posted(options) {
  const form = new FormData();
  form.set('image', new Blob([readFileSync(example('10-person.png'))]), 'person.png');
  form.set('options', JSON.stringify(options));
  return server.json('/v1/jobs', {method: 'POST', body: form});
}

test('what runs and what waits, in its order, is seen and cancelled; the tab shows it', async () => {
  const page = await open(browser, server);
  await drop(page, fileOf(example(LIGHT), 'first.png'));
  await cutoutReady(page);
  await setSteps(page, 1000);
  await setFinish(page, false);
  await page.getByRole('button', {name: 'Four seeds'}).click();
  await page.getByRole('button', {name: 'Queue (4)'}).waitFor();
  await page.waitForFunction(() => document.querySelector('link[rel="icon"]').href.startsWith('blob:'));
  await page.getByRole('button', {name: 'Queue (4)'}).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', {name: 'Queue'});
  await dialog.locator('li[data-state="running"] progress').waitFor();
  await dialog.locator('li').nth(3).waitFor();
  const order = await dialog.locator('li').evaluateAll((rows) => rows.map(({dataset}) => dataset.job));
  const {jobs} = await server.json('/v1/jobs');
  assert.deepEqual(order, jobs.map(({id}) => id).reverse(), 'who came first is first');
  await dialog.getByText('Waiting: 1 job before this one').waitFor();
  await dialog.getByText('Waiting: 3 jobs before this one').waitFor();
  await shot(page, '70-queue');
  assert.deepEqual(await axe(page), []);
  await dialog.locator('li').nth(3).getByRole('button', {name: /^Cancel/}).click();
  await dialog.locator('li').nth(3).waitFor({state: 'detached'});
  await dialog.getByRole('button', {name: 'Cancel all waiting jobs'}).click();
  await dialog.locator('li').nth(1).waitFor({state: 'detached'});
  await dialog.locator('li').getByRole('button', {name: /^Cancel/}).click();
  await dialog.getByText('Nothing is running or waiting.').waitFor({timeout: PATIENCE});
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('link[rel="icon"]').href.endsWith('.svg'));
  assert.equal(await page.getByRole('button', {name: /^Queue/}).count(), 0);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}, {timeout: 2 * PATIENCE});

test('the queue is paused and goes on; what waits is moved by keys and by dragging', async () => {
  await pause(true);
  const names = ['red', 'green', 'blue'];
  for (const name of names) await posted({name, seed: 1, structure: {steps: 2}, latent: {steps: 1}, raw_mesh: true, formats: ['glb']});
  const page = await open(browser, server);
  await page.getByRole('button', {name: 'Queue (3)'}).click();
  const dialog = page.getByRole('dialog', {name: 'Queue'});
  await dialog.getByText(/^Paused/).waitFor();
  const order = () => dialog.locator('.card-name').allTextContents();
  const becomes = (wanted) => page.waitForFunction((w) => [...document.querySelectorAll('.queue-row .card-name')].map((e) => e.textContent).join() === w, wanted.join());
  await becomes(names);
  const grip = (name) => dialog.getByRole('button', {name: `Move ${name} up`});
  await grip('blue').focus();
  await page.keyboard.press('ArrowUp');
  await becomes(['red', 'blue', 'green']);
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label')?.startsWith('Move blue'), null);
  await page.keyboard.press('Home');
  await becomes(['blue', 'red', 'green']);
  await page.keyboard.press('End');
  await becomes(['red', 'green', 'blue']);
  await dialog.locator('.queue-row', {hasText: 'blue'}).dragTo(dialog.locator('.queue-row', {hasText: 'red'}), {targetPosition: {x: 60, y: 3}});
  await becomes(['blue', 'red', 'green']);
  assert.deepEqual((await server.json('/v1/queue')).jobs.map(({name}) => name), await order());
  await shot(page, '72-queue-paused');
  assert.deepEqual(await axe(page), []);
  await dialog.getByRole('button', {name: 'Resume'}).click();
  await dialog.getByText('Nothing is running or waiting.').waitFor({timeout: PATIENCE});
  assert.equal((await server.json('/v1/queue')).paused, false);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}, {timeout: 2 * PATIENCE});

test('the browser tells of a job that ended behind another tab, if it was asked to', async () => {
  const page = await newPage(browser);
  await page.addInitScript(() => {
    window.told = [];
    window.Notification = class {
      static permission = 'default';
      static requestPermission = async () => (window.Notification.permission = 'granted');
      constructor(text) {
        window.told.push(text);
      }
    };
  });
  await page.goto(server.url);
  await page.locator('.example').first().waitFor();
  await drop(page, fileOf(example(LIGHT), 'tree.png'));
  await cutoutReady(page);
  await setSteps(page, 1000);
  await setFinish(page, false);
  await generate(page);
  await page.getByRole('button', {name: 'Queue (1)'}).click();
  const dialog = page.getByRole('dialog', {name: 'Queue'});
  await dialog.getByLabel('Notify me when a job ends').check();
  await dialog.locator('li').getByRole('button', {name: /^Cancel/}).click();
  await dialog.getByText('Nothing is running or waiting.').waitFor({timeout: PATIENCE});
  await page.keyboard.press('Escape');
  assert.deepEqual(await page.evaluate(() => window.told), [], 'who looks is not told');
  await setSteps(page, 2, 1);
  await generate(page);
  await page.evaluate(() => Object.defineProperty(document, 'hidden', {get: () => true}));
  await page.waitForFunction(() => window.told.length > 0, null, {timeout: PATIENCE});
  assert.deepEqual(await page.evaluate(() => window.told), ['tree is finished']);
  await page.context().close();
});

test('a page of somebody else stays where it is; a file waits for another, says so, and is cancelled', async () => {
  const chair = await asset(server, 'chair');
  const other = await posted({name: 'somebody else', ...ENDLESS, raw_mesh: true});
  while ((await server.json(`/v1/jobs/${other.id}`)).state !== 'running') await new Promise((resolve) => setTimeout(resolve, 100));
  const fresh = await open(browser, server);
  await fresh.locator('.card', {hasText: 'somebody else'}).waitFor();
  await fresh.getByRole('heading', {name: 'Drop an image to begin'}).waitFor();
  assert.equal(new URL(fresh.url()).hash, '');
  await fresh.context().close();

  await pause(true);  // so that what waits goes on waiting
  const make = (options) => server.json(`/v1/jobs/${chair.id}/exports`, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(options)});
  const video = await make({turntable: {format: 'webp', seconds: 1, size: 256}});
  const page = await open(browser, server, {hash: `#job=${chair.id}`});
  const row = page.locator('.download-row', {has: page.locator('[data-format="obj.zip"]')});
  await row.locator('.download').focus();
  await page.keyboard.press('Enter');
  await row.locator('.download-state', {hasText: 'waits, 1 before'}).waitFor();
  const element = await row.elementHandle();
  const asked = async () => (await server.json(`/v1/jobs?parent=${chair.id}`)).jobs.filter(({options}) => options.formats?.includes('obj.zip')).map(({state}) => state);
  assert.deepEqual(await asked(), ['queued']);
  // What else is known of the asset comes and goes; the row and its focus stay.
  await fetch(new URL(`/v1/jobs/${video.id}`, server.url), {method: 'DELETE'});
  await row.locator('.download-state', {hasText: /^waits$/}).waitFor();
  await server.json(`/v1/jobs/${chair.id}`, {method: 'PATCH', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({name: 'stool'})});
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await page.locator('.card', {hasText: 'stool'}).waitFor();
  assert.ok(await element.evaluate((shown) => shown.isConnected && shown.contains(document.activeElement)), 'the same row, with the focus');
  await shot(page, '73-waits');
  assert.deepEqual(await axe(page), []);
  await row.getByRole('button', {name: 'Cancel OBJ'}).click();
  await row.locator('.download-state', {hasText: 'make'}).waitFor();
  await row.locator('.download[aria-busy="false"]').waitFor();
  while ((await asked()).join() !== 'cancelled') await new Promise((resolve) => setTimeout(resolve, 100));
  const obj = page.waitForEvent('download', {timeout: PATIENCE});
  await row.locator('.download').click();
  await row.locator('.download-state', {hasText: 'waits'}).waitFor();
  await pause(false);
  assert.equal((await obj).suggestedFilename(), 'stool.obj.zip');
  await row.locator('.download:not(.absent)').waitFor();
  await fetch(new URL(`/v1/jobs/${other.id}`, server.url), {method: 'DELETE'});
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}, {timeout: 2 * PATIENCE});

test('the present settings as a command that makes such a job, and as a link', async () => {
  const page = await open(browser, server, {permissions: ['clipboard-read', 'clipboard-write']});
  await page.locator('#image-files').setInputFiles(example(LIGHT));
  await cutoutReady(page);
  await page.getByLabel('Randomise').uncheck();
  await page.getByLabel('Seed', {exact: true}).fill('1234');
  await setSteps(page, 2, 1);
  await setFinish(page, false);
  await page.getByRole('button', {name: 'Copy as curl'}).click();
  await page.getByText('The command for these settings: copied').waitFor();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  const made = JSON.parse(execFileSync('sh', ['-c', `${command} -s`], {cwd: example('.'), encoding: 'utf8'}));
  assert.equal(made.options.seed, 1234);
  assert.equal(made.options.structure.steps, 2);
  assert.equal(made.name, '08-tree');
  await fetch(new URL(`/v1/jobs/${made.id}`, server.url), {method: 'DELETE'});

  await page.getByRole('button', {name: 'Copy a link with the settings'}).click();
  await page.getByText('A link with these settings: copied').waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const other = await newPage(browser);
  await other.goto(link);
  await other.getByText('The settings of the link are used.').waitFor();
  assert.equal(await other.getByLabel('Seed', {exact: true}).inputValue(), '1234');
  assert.equal(await (await openGroup(other, 'Stage 1')).getByRole('spinbutton', {name: 'Steps'}).inputValue(), '2');
  assert.equal(new URL(other.url()).hash, '', 'they are used once');
  await shot(other, '71-settings-of-a-link');
  assert.deepEqual(other.complaints, []);
  await other.context().close();

  // A finished asset has a link, too.
  const {id} = await asset(server, 'shared', {raw_mesh: true});
  await page.goto(`${server.url}#job=${id}`);
  await page.locator('.details').getByRole('button', {name: 'Copy the link'}).click();
  await page.waitForFunction(async (wanted) => (await navigator.clipboard.readText()) === wanted, `${server.url}#job=${id}`);
  await page.context().close();
});
