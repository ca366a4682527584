// Several seeds to choose from, versions of an asset in one card, and two assets in one image.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {asset, axe, cutoutReady, drop, ended, example, fileOf, launch, open, openGroup, PATIENCE, stillView, Server, setFinish, setSteps, shot, viewsHave} from './support.mjs';

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('four seeds in one click; one is chosen, the others go', async () => {
  const page = await open(browser, server);
  await drop(page, fileOf(example('10-person.png'), 'person.png'));
  await cutoutReady(page);
  await page.getByLabel('Randomise').uncheck();
  await page.getByLabel('Seed', {exact: true}).fill('7');
  await setSteps(page, 2, 1);
  await setFinish(page, false);
  await page.getByRole('button', {name: 'Four seeds'}).click();
  const seeds = page.getByRole('region', {name: 'Four seeds'});
  await seeds.locator('li').nth(3).waitFor();
  assert.deepEqual(await seeds.locator('.card-name').allInnerTexts(), ['seed 7', 'seed 8', 'seed 9', 'seed 10']);
  await shot(page, '50-seeds-running');
  await page.waitForFunction(() => [...document.querySelectorAll('.seeds .card-when')].every((state) => state.textContent === ''), null, {timeout: 4 * PATIENCE});
  await seeds.locator('li', {hasText: 'seed 9'}).locator('button').click();
  await viewsHave(page, 'clay');
  await page.waitForFunction(() => document.querySelectorAll('.seeds img').length === 4);
  await stillView(page);
  await shot(page, '50-seeds');
  assert.deepEqual(await axe(page), []);
  assert.equal(await page.locator('.card').count(), 1, 'one card for all four');
  await page.locator('.card .card-versions', {hasText: '4 versions'}).waitFor();
  const {jobs} = await server.json('/v1/jobs?kind=assets');
  assert.deepEqual(jobs.map(({options}) => options.seed), [10, 9, 8, 7]);
  await page.reload();
  await seeds.locator('li').nth(3).waitFor();
  await seeds.getByRole('button', {name: 'Keep only this one'}).click();
  await page.getByRole('dialog', {name: 'Delete 3 assets?'}).getByRole('button', {name: 'Delete'}).click();
  await seeds.waitFor({state: 'hidden'});
  assert.deepEqual((await server.json('/v1/jobs?kind=assets')).jobs.map(({options}) => options.seed), [9]);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}, {timeout: 6 * PATIENCE});

test('versions: what is different, a name for each, and two of them in one image', async () => {
  const first = await asset(server, 'chair');
  await asset(server, 'chair', {seed: 2});
  const again = await ended(server, await server.json(`/v1/jobs/${first.id}/exports`, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({faces: 400, texture: false})}));
  const page = await open(browser, server, {hash: `#job=${first.id}`});
  await viewsHave(page, 'checker');
  const versions = page.locator('.versions');
  await versions.locator('li').nth(2).waitFor();
  const about = await versions.locator('.hint').allInnerTexts();
  assert.match(about[0], /^[\d,]+ faces, no texture$/);
  assert.ok(about[0].startsWith(again.report.faces.toLocaleString('en-GB')), about[0]);
  assert.deepEqual(about.slice(1), ['Seed 2', 'The first']);
  assert.equal(await page.locator('.card', {hasText: 'chair'}).count(), 1);

  await versions.locator('li').nth(1).getByRole('button', {name: 'Rename chair'}).click();
  await page.getByRole('dialog').getByLabel('Name').fill('كرسي آخر');
  await page.keyboard.press('Enter');
  await versions.locator('li', {hasText: 'كرسي آخر'}).waitFor();
  assert.equal((await server.json('/v1/jobs?kind=assets')).jobs.filter(({name}) => name === 'كرسي آخر').length, 1);

  await page.getByRole('radio', {name: 'Clay'}).check();
  const alone = await stillView(page);
  await versions.locator(`li[data-job="${again.id}"]`).getByRole('button', {name: /^Compare/}).click();
  const slider = page.getByRole('slider', {name: 'Line between the two'});
  await slider.waitFor();
  assert.ok(await page.evaluate(() => document.activeElement.matches('.wipe-slider')), 'the line has the focus');
  await page.getByRole('radio', {name: 'Wireframe'}).check();
  await stillView(page);
  await shot(page, '51-two');
  assert.deepEqual(await axe(page), []);
  await page.getByRole('radio', {name: 'Clay'}).check();
  await slider.focus();
  await page.keyboard.press('End');
  const left = await withoutWipe(page);
  await page.keyboard.press('Home');
  const right = await withoutWipe(page);
  assert.notDeepEqual(left, right, 'the other asset is on the right');
  await page.getByRole('group', {name: /on the left/}).getByRole('button', {name: 'Close'}).click();
  await slider.waitFor({state: 'detached'});
  assert.deepEqual(await stillView(page), alone, 'one alone, as before');
  const again2 = await openGroup(page, 'Make again');
  assert.ok(await again2.isVisible());
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}, {timeout: 6 * PATIENCE});

/** The image without what lies over it. */
async function withoutWipe(page) {
  await page.locator('.wipe').evaluate((wipe) => (wipe.style.opacity = '0'));
  const bytes = await stillView(page);
  await page.locator('.wipe').evaluate((wipe) => (wipe.style.opacity = ''));
  return bytes;
}
