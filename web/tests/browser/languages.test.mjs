// German and English: chosen by the browser, switched by hand, and the size of the first screen in each.
import assert from 'node:assert/strict';
import {readdirSync} from 'node:fs';
import {after, before, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {axe, cutoutReady, draftKept, drop, example, fileOf, finished, launch, newPage, open, PATIENCE, Server, setFinish, shot, viewsHave} from './support.mjs';

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('a German browser gets a German page, from the image to the asset', async () => {
  const page = await open(browser, server, {locale: 'de-AT'});
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'de');
  await page.getByRole('heading', {name: 'Zum Beginnen ein Bild ablegen'}).waitFor();
  assert.deepEqual(await axe(page), []);
  await shot(page, '30-german');
  await drop(page, fileOf(example('02-chair.png'), 'Stuhl.png'));
  await cutoutReady(page);
  for (const title of ['Stufe 1', 'Stufe 2']) {
    const group = page.locator('details', {has: page.locator('summary', {hasText: title})});
    await group.locator('summary').click();
    await group.getByRole('spinbutton', {name: 'Schritte'}).fill('2');
  }
  const files = page.locator('.make details', {has: page.locator('summary', {hasText: 'Mesh, Textur'})});
  await files.locator('summary').click();
  await files.getByLabel('Mesh fertigstellen').uncheck();
  await page.getByRole('button', {name: 'Erzeugen', exact: true}).click();
  await page.locator('.progress-panel .phases', {hasText: 'Struktur'}).waitFor();
  await finished(page);
  await viewsHave(page, 'clay');
  const {report} = await server.json(`/v1/jobs/${new URL(page.url()).hash.slice(5)}`);
  const facts = await page.locator('.facts').innerText();
  assert.ok(facts.includes('Flächen') && facts.includes(report.faces.toLocaleString('de-DE')), facts);
  assert.deepEqual(await axe(page), []);
  await shot(page, '30-german-asset');
  await page.locator('.canvas-place').focus();
  await page.keyboard.press('?');
  await page.getByRole('dialog', {name: 'Tasten'}).getByText('das Objekt drehen').waitFor();
  await page.keyboard.press('Escape');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the language is switched by hand and kept; what is on the page stays', async () => {
  const page = await open(browser, server);
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
  await drop(page, fileOf(example('01-mug.png'), 'mug.png'));
  await cutoutReady(page);
  await (await setFinish(page, true)).getByRole('spinbutton', {name: 'Share of faces removed'}).fill('0.9');
  await draftKept(page, 1);
  await page.getByRole('combobox', {name: 'Language'}).selectOption('de');
  await page.getByRole('button', {name: 'Erzeugen', exact: true}).waitFor();
  await cutoutReady(page);
  assert.equal(await page.locator('.image-name').innerText(), 'mug.png');
  const group = page.locator('.make details', {has: page.locator('summary', {hasText: 'Mesh, Textur'})});
  await group.locator('summary').click();
  assert.equal(await group.getByRole('spinbutton', {name: 'Anteil entfernter Flächen'}).inputValue(), '0.9');
  await page.reload();
  await page.getByRole('combobox', {name: 'Sprache'}).selectOption('en');
  await page.getByRole('button', {name: 'Generate'}).waitFor({timeout: PATIENCE});
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the whole page is at most 1.6 MB, as sent', async () => {
  const dist = fileURLToPath(new URL('../../dist/assets', import.meta.url));
  let sum = 0;
  for (const path of ['', ...readdirSync(dist).map((name) => `assets/${name}`)]) {
    const response = await fetch(server.url + path, {headers: {'Accept-Encoding': 'gzip'}});
    assert.ok(response.ok, path);
    await response.arrayBuffer();
    sum += Number(response.headers.get('content-length'));
  }
  console.log(`# the whole page: ${sum} bytes`);
  assert.ok(sum > 500000 && sum <= 1600000, `${sum} bytes`);
});

test('the first screen is at most 35 KB, in each language', async () => {
  for (const locale of ['en-US', 'de-DE']) {
    const page = await newPage(browser, {locale});
    const sent = [];
    page.on('requestfinished', (request) => sent.push(request.sizes().then(({responseBodySize}) => [new URL(request.url()).pathname, responseBodySize])));
    await page.goto(server.url);
    await page.locator('.example').first().waitFor();
    await page.waitForLoadState('networkidle');
    const files = (await Promise.all(sent)).filter(([path]) => /\.(js|css|html)$|\/$/.test(path));
    const sum = files.reduce((all, [, size]) => all + size, 0);
    console.log(`# the first screen in ${locale}: ${sum} bytes`);
    assert.ok(files.length > 3 && sum > 20000 && sum <= 35 * 1024, `${sum} bytes of ${files.join(' ')}`);
    await page.context().close();
  }
});
