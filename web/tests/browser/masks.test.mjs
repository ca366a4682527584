// The way of a photo: a model is chosen, its mask is mended by hand, an asset is made of it.
import assert from 'node:assert/strict';
import {cpSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {after, before, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {cutoutReady, draftKept, drop, example, fileOf, finished, generate, launch, open, PATIENCE, Server, setFinish, setSteps, shot} from './support.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
let folder;
let server;
let browser;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-models-'));
  cpSync(join(root, 'models/sprout'), join(folder, 'another'), {recursive: true});
  [server, browser] = await Promise.all([Server.start('--model', join(folder, 'another')), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, {recursive: true, force: true});
});

/** Share of the cut-out that is opaque, and the alpha in its middle. */
const opacity = (page) => page.locator('.image .checked img').first().evaluate(async (image) => {
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  pen.drawImage(image, 0, 0);
  const {data} = pen.getImageData(0, 0, canvas.width, canvas.height);
  let solid = 0;
  for (let i = 3; i < data.length; i += 4) solid += data[i] > 200 ? 1 : 0;
  return solid / (data.length / 4);
});

/** Share of the mask in the editor that belongs to the object. */
const kept = (page) => page.locator('.mask-canvas').evaluate((shown) => {
  const canvas = document.createElement('canvas');
  canvas.width = shown.width;
  canvas.height = shown.height;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  pen.drawImage(shown, 0, 0);
  const {data} = pen.getImageData(0, 0, canvas.width, canvas.height);
  let solid = 0;
  for (let i = 3; i < data.length; i += 4) solid += data[i] > 127 ? 1 : 0;
  return solid / (data.length / 4);
});

/** A drag between two places of the canvas, in parts of its size. */
async function drag(page, from, to) {
  const box = await page.locator('.mask-canvas').boundingBox();
  const at = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(from));
  await page.mouse.down();
  await page.mouse.move(...at([(from[0] + to[0]) / 2, (from[1] + to[1]) / 2]));
  await page.mouse.move(...at(to));
  await page.mouse.up();
}

test('a model is chosen, a mask is mended, and the asset is made of what is left', async () => {
  const page = await open(browser, server);
  const badge = page.locator('.demo summary');
  await badge.click();
  await page.getByText('espalier pull trellis-image-large').waitFor();
  await shot(page, '20-demo-badge');
  await badge.click();
  const models = page.getByRole('combobox', {name: 'Model'});
  assert.deepEqual((await models.locator('option').allTextContents()).slice(0, 2).map((text) => text.split(' ')[0]), ['another', 'sprout']);
  await models.selectOption('sprout');

  await drop(page, fileOf(example('02-chair.png'), 'chair.png'));
  await cutoutReady(page);
  const before = await opacity(page);
  await page.getByRole('button', {name: 'Edit the mask'}).click();
  const dialog = page.getByRole('dialog', {name: 'Mask of chair.png'});
  await dialog.waitFor();
  const whole = await kept(page);
  assert.ok(whole > 0.05 && whole < 0.9, `${whole} of the image is the object`);
  await shot(page, '21-mask-squares');

  await drag(page, [0.3, 0.5], [0.7, 0.5]);
  const erased = await kept(page);
  assert.ok(erased < whole - 0.005, 'the brush erases');
  await dialog.getByRole('radio', {name: 'Magenta'}).check();
  await shot(page, '22-mask-erased-magenta');
  await dialog.getByRole('radio', {name: 'Add', exact: true}).check();
  await drag(page, [0.3, 0.5], [0.7, 0.5]);
  assert.ok((await kept(page)) > erased, 'the brush adds');
  await page.keyboard.press('Control+z');
  assert.equal(await kept(page), erased, 'a stroke is undone');
  await dialog.getByRole('button', {name: 'Undo'}).click();
  assert.equal(await kept(page), whole, 'and the one before');
  assert.ok(await dialog.getByRole('button', {name: 'Undo'}).isDisabled());

  await dialog.getByRole('radio', {name: 'Box +'}).check();
  await drag(page, [0.02, 0.02], [0.98, 0.98]);
  const boxed = await kept(page);
  assert.ok(boxed > 0.9, 'a box adds');
  await dialog.getByRole('radio', {name: 'Box −'}).check();
  await drag(page, [0.9, 0.9], [0.6, 0.6]);
  assert.ok(Math.abs((await kept(page)) - (boxed - 0.09)) < 0.01, 'a box erases, whichever corner comes first');
  await dialog.getByRole('radio', {name: 'Crop'}).check();
  await drag(page, [0.1, 0.1], [0.6, 0.9]);
  assert.ok(Math.abs((await kept(page)) - 0.4) < 0.01, 'a crop keeps what is inside');
  await dialog.getByRole('radio', {name: 'Black'}).check();
  await shot(page, '23-mask-crop-black');
  await dialog.getByRole('button', {name: 'Reset'}).click();
  assert.equal(await kept(page), whole);

  // The example has nothing under its transparency but black: all of it is one colour.
  await dialog.getByRole('radio', {name: 'Similar'}).check();
  const box = await page.locator('.mask-canvas').boundingBox();
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  const few = await kept(page);
  await dialog.getByRole('slider', {name: 'Tolerance'}).fill('100');
  const many = await kept(page);
  assert.ok(few < whole && many < few, `the tolerance takes more: ${whole}, ${few}, ${many}`);
  await dialog.getByRole('button', {name: 'Undo'}).click();
  assert.equal(await kept(page), whole, 'a fill and its tolerance are one step');

  await dialog.getByRole('radio', {name: 'Crop'}).check();
  await drag(page, [-0.01, -0.01], [1.01, 0.55]);
  assert.ok((await kept(page)) < whole - 0.01, 'a box may begin beside the image');
  await dialog.getByRole('button', {name: 'Use this mask'}).click();
  await dialog.waitFor({state: 'detached'});
  await cutoutReady(page);
  await page.getByText('Mask edited by hand').waitFor();
  assert.notEqual(await opacity(page), before);
  await shot(page, '24-mask-used');

  const mended = await opacity(page);
  await draftKept(page, 1, 1);
  await page.reload();
  await cutoutReady(page);
  await page.getByText('Mask edited by hand').waitFor();
  assert.equal(await opacity(page), mended, 'the mask is still there after a reload');
  await page.getByRole('combobox', {name: 'Model'}).selectOption('sprout');

  await setSteps(page, 2, 1);  // one step of the structure leaves a cloud of tens of megabytes
  await setFinish(page, false);
  await generate(page);
  await finished(page);
  await shot(page, '25-made-of-it');
  const {jobs} = await server.json('/v1/jobs');
  assert.equal(jobs[0].options.model, 'sprout');
  assert.deepEqual([jobs[0].options.background].flat(), ['alpha']);
  const {models: known} = await server.json('/v1/models');
  assert.deepEqual(known.filter(({loaded}) => loaded).map(({name}) => name), ['sprout'], 'one model is loaded');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}, {timeout: 2 * PATIENCE});

test('an image that the browser cannot show is shown as the server reads it', async () => {
  const page = await open(browser, server);
  const base64 = readFileSync(join(root, 'tests/data/images/foreign/q.heic')).toString('base64');
  await drop(page, {name: 'phone.heic', type: 'image/heic', base64});
  await page.getByRole('radio', {name: 'None'}).check();
  await cutoutReady(page);
  await page.waitForFunction(() => document.querySelector('.image img[alt="Input: phone.heic"]')?.naturalWidth === 48);
  await shot(page, '26-heic');
  await page.context().close();
});
