// Takes docs/images/studio.webp anew: node tests/studio_image.mjs [PROGRAM]. With ESPALIER_SERVER=http://127.0.0.1:PORT it is the newest
// asset of that server, instead of some that are made for it.
import {readFileSync, writeFileSync} from 'node:fs';
import {basename} from 'node:path';
import {fileURLToPath} from 'node:url';

const [, , program] = process.argv;
if (program) process.env.ESPALIER_PROGRAM = program;
const {ended, example, launch, open, stillView, Server, viewsHave} = await import('./browser/support.mjs');

const MADE = ['12-mushroom.png', '05-lamp.png', '11-boat.png', '03-car.png', '01-mug.png', '02-chair.png'];  // the last one is shown

const running = process.env.ESPALIER_SERVER;
const [server, browser] = await Promise.all([running ? Server.at(running) : Server.start(), launch()]);
try {
  let last = running ? (await server.json('/v1/jobs?kind=assets&limit=1')).jobs[0] : null;
  for (const [i, file] of (running ? [] : MADE).entries()) {
    const form = new FormData();
    form.set('image', new Blob([readFileSync(example(file))]), basename(file).replace(/^\d+-/, ''));
    form.set('options', JSON.stringify({seed: 1, faces: 20000, ...(i + 1 < MADE.length ? {texture_size: 512, bake: 'fast'} : {})}));
    last = await ended(server, await server.json('/v1/jobs', {method: 'POST', body: form}));
  }
  const page = await open(browser, server, {hash: `#job=${last.id}`, viewport: {width: 1280, height: 860}});
  await viewsHave(page, 'splats');
  await viewsHave(page, 'checker');
  await page.locator('.canvas-place').focus();
  await page.keyboard.press('m');
  const {x, y, width, height} = await page.locator('.canvas-place').boundingBox();
  for (const [across, down] of [[0.475, 0.16], [0.475, 0.6]]) await page.mouse.click(x + across * width, y + down * height);
  await page.locator('output.ruler').waitFor();
  await page.mouse.move(0, 0);
  await page.waitForFunction(() => [...document.querySelectorAll('.card')].every((card) => card.querySelector('img')?.naturalWidth > 0));
  await stillView(page);
  const png = (await page.screenshot({animations: 'disabled'})).toString('base64');
  const webp = await page.evaluate(async (base64) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], {type: 'image/png'}));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext('2d').drawImage(bitmap, 0, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({type: 'image/webp', quality: 0.82})).arrayBuffer());
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  }, png);
  const path = fileURLToPath(new URL('../../docs/images/studio.webp', import.meta.url));
  writeFileSync(path, Buffer.from(webp, 'base64'));
  console.log(`${path}: ${Buffer.from(webp, 'base64').length} bytes`);
  if (process.env.ESPALIER_SHOTS) writeFileSync(`${process.env.ESPALIER_SHOTS}/studio.png`, Buffer.from(png, 'base64'));
} finally {
  await browser.close();
  await server.stop();
}
