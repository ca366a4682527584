// What the viewer can do beside showing: light, section, ruler, turntable, flat layouts; and meshes that have to be decoded.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {asset, axe, differing, ended, launch, open, stillView, Server, shot, viewsHave} from './support.mjs';

let server;
let browser;
let job;

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
  job = await asset(server, 'chair', {}, '02-chair.png');
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const SAME = 0.002;  // share of pixels: edges of the object, where it is drawn by another program of the card

/** A page with the asset, its grid away, its input out of the image. */
async function look(options = {}, id = job.id) {
  const page = await open(browser, server, {hash: `#job=${id}`, ...options});
  await viewsHave(page, 'clay');
  await page.locator('.canvas-place').focus();
  await page.keyboard.press('2');
  return page;
}

test('panoramas, light, exposure and background change the image, and are kept', async () => {
  const page = await look();
  const lamp = await stillView(page);
  await page.keyboard.press('l');
  const panel = page.getByRole('region', {name: 'Light and section'});
  await panel.waitFor();
  const seen = new Set([lamp.toString('base64')]);
  for (const light of ['studio', 'overcast', 'sunset']) {
    await panel.getByLabel('Light', {exact: true}).selectOption(light);
    await panel.getByLabel('Background', {exact: true}).selectOption('panorama');
    seen.add((await stillView(page)).toString('base64'));
    await shot(page, `60-${light}`);
  }
  await panel.getByRole('slider', {name: 'Turn the light'}).fill('90');
  seen.add((await stillView(page)).toString('base64'));
  await panel.getByRole('slider', {name: 'Exposure'}).fill('1.5');
  seen.add((await stillView(page)).toString('base64'));
  assert.equal(seen.size, 6, 'each looks different');
  await panel.getByLabel('Background', {exact: true}).selectOption('colour');
  await panel.getByLabel('Colour of the background').fill('#204080');
  assert.equal(await page.locator('.canvas-place').evaluate((place) => getComputedStyle(place).backgroundColor), 'rgb(32, 64, 128)');
  assert.deepEqual(await axe(page), []);
  await page.reload();
  await viewsHave(page, 'clay');
  assert.equal(await page.locator('.canvas-place').evaluate((place) => getComputedStyle(place).backgroundColor), 'rgb(32, 64, 128)');
  await page.locator('.canvas-place').focus();
  await page.keyboard.press('l');
  assert.equal(await panel.getByLabel('Light', {exact: true}).inputValue(), 'sunset');
  await panel.getByRole('button', {name: 'Reset'}).click();
  await page.keyboard.press('Escape');
  await panel.waitFor({state: 'hidden'});
  await page.locator('.canvas-place').focus();
  await page.mouse.move(0, 0);
  const again = await stillView(page);
  await shot(page, '60-as-at-first');
  const changed = await differing(page, again, lamp);
  assert.ok(changed < SAME, `as at first: ${changed} of the pixels differ`);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the object is cut open, one half or the other', async () => {
  const page = await look();
  const whole = await stillView(page);
  await page.getByRole('button', {name: /^Light, background/}).click();
  const panel = page.getByRole('region', {name: 'Light and section'});
  await panel.getByRole('radio', {name: 'X'}).check();
  const left = await stillView(page);
  await shot(page, '61-section');
  await panel.getByLabel('The other half').check();
  const right = await stillView(page);
  const halves = await differing(page, left, right);
  assert.ok(halves > 5 * SAME, `one half and the other: ${halves} of the pixels differ`);
  await panel.getByRole('slider', {name: 'Position'}).fill('0');
  await page.keyboard.press('Escape');
  await panel.waitFor({state: 'hidden'});
  await page.locator('.canvas-place').focus();
  await page.mouse.move(0, 0);
  const changed = await differing(page, await stillView(page), whole);
  assert.ok(changed < SAME, `nothing is cut at the end: ${changed} of the pixels differ`);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('two points are measured, with the pointer and with the keyboard', async () => {
  const page = await look();
  await page.getByRole('button', {name: /^Measure/}).click();
  const {x, y, width, height} = await page.locator('.canvas-place').boundingBox();
  const [dimension] = await page.locator('.dimension[data-axis="height"]').allInnerTexts();
  await page.mouse.click(x + width / 2, y + height * 0.3);
  await page.mouse.click(x + width / 2, y + height * 0.6);
  const label = page.locator('output.ruler');
  await label.waitFor();
  const metres = (text) => Number.parseFloat(text) * (/ cm$/.test(text) ? 0.01 : / mm$/.test(text) ? 0.001 : 1);
  const first = metres(await label.innerText());
  assert.ok(first > 0.05 && first < metres(dimension) * 1.2, `${first} m of ${dimension}`);
  await shot(page, '62-ruler');
  await page.locator('.canvas-place').focus();
  const measured = {};
  for (const by of ['keyboard', 'pointer']) {
    const take = by === 'keyboard' ? () => page.keyboard.press('Enter') : () => page.mouse.click(x + width / 2, y + height / 2);
    await page.locator('.canvas-place').focus();
    await page.keyboard.press('f');
    await take();
    await label.waitFor({state: 'hidden'});  // a third point begins anew
    await page.locator('.canvas-place').focus();
    for (let i = 0; i < 2; ++i) await page.keyboard.press('ArrowUp');
    await take();  // whatever was drawn since
    await label.waitFor();
    measured[by] = metres(await label.innerText());
  }
  assert.ok(measured.keyboard > 0.005, `${measured.keyboard} m between two points`);
  assert.ok(Math.abs(measured.keyboard - measured.pointer) < 0.01, JSON.stringify(measured));

  await page.locator('.canvas-place').focus();
  await page.keyboard.press('f');
  await page.keyboard.press('l');
  const panel = page.getByRole('region', {name: 'Light and section'});
  await panel.getByRole('radio', {name: 'Y'}).check();
  await panel.getByRole('slider', {name: 'Position'}).fill('0');
  await page.keyboard.press('Escape');
  await panel.waitFor({state: 'hidden'});
  await page.locator('.canvas-place').focus();
  await page.keyboard.press('Enter');
  await page.getByText('There is no surface.').waitFor({state: 'attached'});
  assert.ok(await label.isVisible(), 'what is cut away is not measured');
  await page.keyboard.press('Escape');
  await label.waitFor({state: 'hidden'});
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('it turns until it is told to stop; the matcap and the layout of the texture are views', async () => {
  const page = await look();
  const seen = new Set([(await stillView(page)).toString('base64')]);
  await page.keyboard.press('7');
  await page.locator('.canvas-place[data-view="matcap"]').waitFor();
  seen.add((await stillView(page)).toString('base64'));
  await shot(page, '63-matcap');
  await page.keyboard.press('8');
  await page.locator('.canvas-place[data-view="layout"]').waitFor();
  const layout = await stillView(page);
  seen.add(layout.toString('base64'));
  await shot(page, '63-layout');
  await page.keyboard.press('ArrowLeft');
  assert.deepEqual(await stillView(page), layout, 'a sheet has one side');
  assert.equal(seen.size, 3);
  await page.keyboard.press('2');
  await page.keyboard.press('t');
  const canvas = page.locator('.canvas-place canvas');
  const one = await canvas.screenshot();
  await page.waitForTimeout(800);
  assert.notDeepEqual(await canvas.screenshot(), one, 'it turns');
  await page.getByRole('button', {name: /^Turntable/, pressed: true}).click();
  await stillView(page);
  assert.equal(await page.locator('.facts div[title*="cut into"]').count(), 1, 'figures are explained');
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('at 200 % everything is there, and nothing lies on anything else', async () => {
  const page = await look({viewport: {width: 640, height: 410}, deviceScaleFactor: 2});
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  const [room, tools, bar] = await Promise.all(['.split', '.tools', '.viewer-bar'].map((part) => page.locator(part).boundingBox()));
  assert.ok(tools.y >= room.y && tools.y + tools.height <= room.y + room.height && tools.x + tools.width <= room.x + room.width, JSON.stringify({room, tools}));
  assert.ok(bar.y >= room.y + room.height - 1, 'the views are below the object');
  for (const button of await page.locator('.tools button').all()) {
    const box = await button.boundingBox();
    assert.ok(box.y + box.height <= tools.y + tools.height + 1, await button.getAttribute('aria-label'));
  }
  await page.locator('.viewer').scrollIntoViewIfNeeded();
  await stillView(page);
  await shot(page, '65-zoomed');
  await page.locator('.downloads').first().scrollIntoViewIfNeeded();
  await shot(page, '65-zoomed-details');
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('meshes that are compressed are shown as others are', async () => {
  for (const compress of ['meshopt', 'draco']) {
    const made = await ended(server, await server.json(`/v1/jobs/${job.id}/exports`, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({formats: ['glb'], compress})}));
    const file = made.files.find(({role, format}) => role === 'result' && format === 'glb');
    const glb = Buffer.from(await (await fetch(new URL(file.url, server.url))).arrayBuffer());
    const {extensionsRequired} = JSON.parse(glb.subarray(20, 20 + glb.readUInt32LE(12)));
    assert.ok(extensionsRequired.some((name) => name.includes(compress)), `${extensionsRequired}`);
    const page = await look({}, made.id);
    await viewsHave(page, 'layout');
    assert.ok((await stillView(page)).length > 8000);
    await shot(page, `64-${compress}`);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
});
