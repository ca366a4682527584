import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after, before, test} from 'node:test';
import validator from 'gltf-validator';
import {
  axe, cutoutReady, differing, draftKept, drop, example, fileOf, finished, generate, launch, LIGHT, newPage, open, openGroup, paste, PATIENCE, stillView, reached, replaced, save, Server, setFinish, setSteps,
  shot, viewsHave,
} from './support.mjs';

let server;
let browser;
let seed;  // a finished asset that tests of viewing share

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Width of an image in the page, and the alpha of its first pixel. */
const cornerOf = (page, place) => page.locator(place).first().evaluate((image) => {
  const canvas = document.createElement('canvas');
  const pen = canvas.getContext('2d');
  pen.drawImage(image, 0, 0);
  return [image.naturalWidth, pen.getImageData(0, 0, 1, 1).data[3]];
});

test('from a dropped image to a valid GLB', async () => {
  const page = await open(browser, server);
  await shot(page, '01-empty');
  assert.ok(await page.getByRole('button', {name: 'Generate'}).isDisabled(), 'nothing to generate from yet');
  await drop(page, fileOf(example('02-chair.png'), 'my chair.png'));
  await cutoutReady(page);
  assert.deepEqual(await cornerOf(page, '.image .checked img'), [518, 0], 'the surroundings are cut away');
  await page.getByRole('radio', {name: 'None'}).check();
  await cutoutReady(page);
  assert.deepEqual(await cornerOf(page, '.image .checked img'), [518, 255], 'nothing is cut away');
  await page.getByRole('radio', {name: 'Alpha'}).check();
  assert.equal(await page.evaluate(() => document.activeElement.value), 'alpha', 'the focus stays while the cut-out is made again');
  await cutoutReady(page);
  await shot(page, '02-image');
  await page.locator('.frames').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByAltText('Foreground', {exact: false}).waitFor();
  await shot(page, '02-image-closer');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({state: 'detached'});
  assert.ok(await page.evaluate(() => document.activeElement.matches('.frames')), 'the focus is where it was');

  await page.getByLabel('Randomise').uncheck();
  await page.getByLabel('Seed', {exact: true}).fill('1');
  await setSteps(page, 3);
  const group = await setFinish(page, true);
  await group.getByRole('spinbutton', {name: 'Share of faces removed'}).fill('0.97');
  await group.getByLabel('Texture size').selectOption('512');
  await group.getByRole('radio', {name: 'Fast'}).check();
  await group.getByLabel('Normals').check();
  await group.getByLabel('Ambient occlusion').check();
  await group.getByRole('spinbutton', {name: 'Remove light'}).fill('0.5');
  await shot(page, '02-finishing');
  await generate(page);

  await page.locator('.progress-panel .current').waitFor();
  await page.waitForFunction(() => /percent/.test(document.querySelector('[aria-live="polite"][role="status"]').textContent));
  await viewsHave(page, 'splats');
  await page.waitForTimeout(1200);  // they are sorted beside the page
  await shot(page, '03-splats');
  await viewsHave(page, 'clay');
  await shot(page, '04-mesh');
  await finished(page);
  await viewsHave(page, 'checker');
  await shot(page, '05-done');

  const job = await server.json(`/v1/jobs/${new URLSearchParams(new URL(page.url()).hash.slice(1)).get('job')}`);
  seed = job;
  assert.equal(job.name, 'my chair');
  assert.equal(job.options.seed, 1);
  assert.equal(job.options.structure.steps, 3);
  assert.deepEqual([job.options.maps, job.options.delight], [['normal', 'ao'], 0.5]);
  assert.match(await page.locator('.made-with').innerText(), /Normals, Ambient occlusion/);
  const facts = await page.locator('.facts').first().innerText();
  for (const fact of [job.report.faces, job.report.charts]) assert.ok(facts.includes(fact.toLocaleString('en-GB')), `${fact} is in ${facts}`);

  const glb = await save(page, () => page.locator('[data-format="glb"]').click());
  assert.equal(glb.name, 'my chair.glb');
  const report = await validator.validateBytes(new Uint8Array(glb.bytes), {format: 'glb'});
  assert.equal(report.issues.numErrors + report.issues.numWarnings, 0, JSON.stringify(report.issues.messages));
  assert.equal(report.info.totalTriangleCount, job.report.faces);
  const [material] = JSON.parse(glb.bytes.subarray(20, 20 + glb.bytes.readUInt32LE(12))).materials;
  assert.ok(material.normalTexture && material.occlusionTexture, JSON.stringify(material));

  const stl = await save(page, () => page.locator('[data-format="stl"]').click());
  assert.equal(stl.bytes.length, 84 + 50 * stl.bytes.readUInt32LE(80), 'an STL that was made when it was asked for');
  await page.locator('[data-format="stl"]:not(.absent)').waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('every view shows the asset in its own way, and nothing is drawn while nothing changes', async () => {
  const page = await open(browser, server, {hash: `#job=${seed.id}`});
  await viewsHave(page, 'checker');
  await viewsHave(page, 'splats');
  const seen = new Set();
  for (const view of ['Textured', 'Clay', 'Normals', 'Wireframe', 'UV checker', 'Splats']) {
    await page.getByRole('radio', {name: view}).check();
    if (view === 'Splats') await page.waitForTimeout(1500);  // they are sorted beside the page
    const bytes = await stillView(page);
    await shot(page, `06-${view.toLowerCase().replace(' ', '-')}`);
    assert.ok(bytes.length > 8000, `${view} shows something`);
    seen.add(bytes.toString('base64'));
  }
  assert.equal(seen.size, 6, 'no two views look the same');

  await page.getByRole('radio', {name: 'Textured'}).check();
  await stillView(page);
  const drawn = await page.evaluate(async () => {
    let frames = 0;
    const ask = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = (callback) => (++frames, ask(callback));
    await new Promise((resolve) => setTimeout(resolve, 800));
    return frames;
  });
  assert.equal(drawn, 0);

  await page.getByRole('button', {name: 'Side by side with the input'}).click();
  assert.ok((await page.locator('.input-image').boundingBox()).width > 200);
  await shot(page, '07-side-by-side');
  const view = await save(page, () => page.getByRole('button', {name: 'Save this view as an image'}).click());
  assert.equal(view.bytes.subarray(1, 4).toString(), 'PNG');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

/** An MP4 is made, runs in the page, and is what is saved. */
async function plays(page, video) {
  await video.getByLabel('Format').selectOption('mp4');
  await video.getByRole('button', {name: 'Make the video'}).click();
  await video.locator('video').waitFor({timeout: PATIENCE});
  await page.waitForFunction(() => {
    const {readyState, currentTime, videoWidth, paused} = document.querySelector('.turntable-result video');
    return readyState >= 2 && currentTime > 0 && videoWidth === 256 && !paused;
  });
  await shot(page, '08-video');
  const file = await save(page, () => video.getByRole('button', {name: /^Download/}).click());
  assert.match(file.name, /-turntable\.mp4$/);
  assert.equal(file.bytes.subarray(4, 8).toString(), 'ftyp');
}

test('a turntable video, and the asset made again with other settings', async () => {
  const page = await open(browser, server, {hash: `#job=${seed.id}`});
  await finished(page);
  const video = await openGroup(page, 'Turntable video');
  await video.getByLabel('Size').selectOption('256');
  await video.getByLabel('Length').fill('1');
  await video.getByLabel('Format').selectOption('webp');
  await video.getByRole('button', {name: 'Make the video'}).click();
  await video.getByRole('button', {name: /^Download/}).waitFor({timeout: PATIENCE});
  const file = await save(page, () => video.getByRole('button', {name: /^Download/}).click());
  assert.equal(file.bytes.subarray(0, 4).toString() + file.bytes.subarray(8, 12).toString(), 'RIFFWEBP');
  if ((await server.json('/v1/models')).video_formats.includes('mp4')) await plays(page, video);

  const again = await openGroup(page, 'Make again');
  await again.getByRole('radio', {name: 'Budget'}).check();
  await again.getByLabel('Faces at most').fill('2000');
  await again.getByLabel('Bake a texture').uncheck();
  await again.getByRole('button', {name: 'Make it again'}).click();
  await page.waitForURL((url) => url.hash !== `#job=${seed.id}`);
  await finished(page);
  const id = new URL(page.url()).hash.slice('#job='.length);
  const job = await server.json(`/v1/jobs/${id}`);
  assert.equal(job.parent, seed.id);
  assert.ok(job.report.faces > 100 && job.report.faces <= 2000);
  await viewsHave(page, 'clay');
  await viewsHave(page, 'splats');  // of the job that it was made from
  await page.locator(`.card[data-job="${id}"]`).waitFor();

  await page.locator(`.card[data-job="${id}"]`).hover();
  await page.locator(`.card[data-job="${id}"]`).getByRole('button', {name: /^Delete/}).click();
  await shot(page, '08-delete');
  await page.getByRole('dialog').getByRole('button', {name: 'Keep'}).click();
  assert.equal(await page.evaluate(() => document.activeElement.closest('.card')?.dataset.job), id, 'the focus is where it was');
  assert.equal(await page.locator(`.card[data-job="${id}"]`).count(), 1, 'it was kept');
  await page.locator('.details').getByRole('button', {name: 'Delete'}).click();
  await page.getByRole('dialog').getByRole('button', {name: 'Delete'}).click();
  await page.locator(`.card[data-job="${id}"]`).waitFor({state: 'detached'});
  assert.equal((await fetch(new URL(`/v1/jobs/${id}`, server.url))).status, 404);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a running job is cancelled, the settings are taken up again, and the next one runs', async () => {
  const page = await open(browser, server);
  await paste(page, fileOf(example('07-plane.png'), 'plane.png'));
  await cutoutReady(page);
  await setSteps(page, 1000);
  await setFinish(page, false);
  await generate(page);
  await reached(page, 'Structure');
  await page.locator('.canvas-place[data-shows="true"][data-view=""]').waitFor({timeout: PATIENCE});  // the voxels so far
  await shot(page, '09-running');
  await page.getByRole('button', {name: 'Cancel', exact: true}).click();
  await page.getByRole('heading', {name: 'Cancelled'}).waitFor({timeout: PATIENCE});
  assert.ok(await page.locator('.progress-panel').isHidden());
  await page.locator('.viewer').getByRole('button', {name: 'Use image and settings'}).click();
  await replaced(page);
  await cutoutReady(page);
  assert.equal(await page.locator('.image-name').innerText(), 'plane.png');
  assert.equal(await (await openGroup(page, 'Stage 1')).getByRole('spinbutton', {name: 'Steps'}).inputValue(), '1000');
  await setSteps(page, 2, 1);
  await generate(page);
  await finished(page);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('what a cancelled job had decoded is seen, said, finished and taken', async () => {
  const form = new FormData();
  form.set('image', new Blob([readFileSync(example('04-rocket.png'))]), 'rocket.png');
  form.set('options', JSON.stringify({name: 'rocket', structure: {steps: 2}, latent: {steps: 1}, faces: 2000, texture_size: 512, bake: 'fast'}));
  const {id} = await server.json('/v1/jobs', {method: 'POST', body: form});
  const job = () => server.json(`/v1/jobs/${id}`);
  while (!(await job()).files.some(({role}) => role === 'asset')) await new Promise((resolve) => setTimeout(resolve, 50));
  await fetch(new URL(`/v1/jobs/${id}`, server.url), {method: 'DELETE'});
  while ((await job()).state === 'running') await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal((await job()).state, 'cancelled');
  const page = await open(browser, server, {hash: `#job=${id}`});
  const heading = page.getByRole('heading', {name: 'Cancelled'});
  await heading.waitFor();
  await finished(page);
  const message = page.locator('.viewer-message');
  for (const part of [heading, message.getByRole('button')]) {
    const lines = await part.evaluate((node) => node.getClientRects().length && node.scrollHeight / parseFloat(getComputedStyle(node).lineHeight));
    assert.ok(lines < 2.5, `${await part.innerText()}: ${lines} lines`);
  }
  const {x, y, width, height} = await message.boundingBox();
  assert.ok(height < 140, `the message is beside the object: ${height}`);
  for (const other of ['.split .input-image', '.split .tools']) {
    const box = await page.locator(other).boundingBox();
    assert.ok(box.x + box.width <= x || x + width <= box.x || y + height <= box.y, `${other} does not lie on it`);
  }
  await shot(page, '09-cancelled');
  assert.deepEqual(await axe(page), []);
  const glb = await save(page, () => page.locator('[data-format="glb"]').click());
  assert.equal(glb.name, 'rocket.glb');
  assert.equal((await validator.validateBytes(new Uint8Array(glb.bytes), {format: 'glb'})).issues.numErrors, 0);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a reload in mid-job finds the job again', async () => {
  const page = await open(browser, server);
  await page.locator('#image-files').setInputFiles([example('03-car.png'), example('03-car.png')]);
  await shot(page, '09-what-are-these');
  await page.getByRole('dialog').getByRole('button', {name: /^Views of one object/}).click();
  await cutoutReady(page);
  await page.locator('.image').nth(1).getByRole('radio', {name: 'None'}).check();
  await page.locator('.image[aria-busy="true"]').waitFor({state: 'detached'});
  await shot(page, '09-several');
  await page.getByLabel('Several images', {exact: true}).selectOption('multidiffusion');
  await setSteps(page, 12);
  await setFinish(page, false);
  await generate(page);
  await reached(page, 'Structure');
  const address = page.url();
  await page.goto(server.url);  // without the address of the job: the running one is opened
  await page.locator('.progress-panel .percent').waitFor();
  assert.equal(page.url(), address);
  await page.reload();
  await page.locator('.progress-panel .percent').waitFor();
  await finished(page);
  const {options} = await server.json(`/v1/jobs/${new URL(address).hash.slice(5)}`);
  assert.equal(options.multi_image, 'multidiffusion');
  assert.deepEqual(options.background, ['auto', 'none']);
  await page.getByRole('button', {name: 'Next image'}).click();
  await page.locator('.input-image figcaption', {hasText: '2 of 2'}).waitFor();
  await page.locator('.details').getByRole('button', {name: 'Use image and settings'}).click();
  await replaced(page);
  await page.locator('.image').nth(1).getByRole('radio', {name: 'None', checked: true}).waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('several images become an asset each, are kept over a reload, and the list has assets alone', async () => {
  const page = await open(browser, server);
  await page.locator('.card').first().waitFor();  // they come at once, and after the examples
  const before = await page.locator('.card').count();
  await drop(page, fileOf(example('03-car.png'), 'red car.png'), fileOf(example(LIGHT), 'tree.png'));
  await page.getByRole('dialog').getByRole('button', {name: /^One asset each/}).click();
  await setSteps(page, 2, 1);
  await setFinish(page, false);
  await draftKept(page, 2);
  await page.reload();
  await page.locator('.image[aria-busy="false"]').nth(1).waitFor();
  assert.deepEqual(await page.locator('.image-name').allInnerTexts(), ['red car.png', 'tree.png']);
  assert.equal(await (await openGroup(page, 'Stage 1')).getByRole('spinbutton', {name: 'Steps'}).inputValue(), '2');
  await shot(page, '09-one-each');
  await page.getByRole('button', {name: 'Generate 2 assets'}).click();
  await finished(page);
  await page.locator('.card', {hasText: 'tree'}).first().waitFor();
  await page.locator('.card[data-state="done"]', {hasText: 'tree'}).first().waitFor({timeout: PATIENCE});
  assert.equal(await page.locator('.card').count(), before + 2);
  const jobs = (await server.json('/v1/jobs?limit=2')).jobs;
  assert.deepEqual(jobs.map(({name, options}) => [name, options.views]), [['tree', false], ['red car', false]]);
  // A file in another place is a file of its own, and no asset.
  const glb = await save(page, () => page.locator('[data-format="glb"]').click());
  assert.equal(glb.name, 'red car.glb');
  await page.getByLabel('Height in metres').fill('1.5');
  await page.keyboard.press('Tab');
  const high = await save(page, () => page.locator('[data-format="glb"]').click());
  const {info} = await validator.validateBytes(new Uint8Array(high.bytes), {format: 'glb'});
  assert.ok(info.totalTriangleCount > 0);
  const {accessors, nodes} = JSON.parse(high.bytes.subarray(20, 20 + high.bytes.readUInt32LE(12)));
  assert.equal(nodes[0].name, 'red car');
  const {min, max} = accessors.find((accessor) => accessor.min?.length === 3);
  assert.ok(Math.abs(max[1] - min[1] - 1.5) < 1e-3, 'the height that was asked for');
  assert.equal(await page.locator('.card').count(), before + 2);
  await page.getByRole('button', {name: 'Rename'}).click();
  await page.getByRole('dialog').getByLabel('Name').fill('racing car');
  await page.keyboard.press('Enter');
  await page.locator('.card', {hasText: 'racing car'}).waitFor();
  await page.getByRole('button', {name: 'Pin'}).click();
  await page.locator('.card', {hasText: 'pinned'}).waitFor();
  await shot(page, '09-pinned');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('files that are no images, and names that look like HTML', async () => {
  const page = await open(browser, server);
  const name = '<img src=x onerror=document.title=1>.png';
  await drop(page, {name, type: 'image/png', base64: Buffer.from('this is no image').toString('base64')});
  await page.locator('.image .problem').waitFor();
  assert.ok((await page.locator('.image .problem').innerText()).length > 20);
  assert.equal(await page.locator('.image-name').innerText(), name);
  assert.equal(await page.locator('img[src="x"]').count(), 0);
  assert.ok(await page.getByRole('button', {name: 'Generate'}).isDisabled());
  await page.getByText('An image was refused').waitFor();
  await shot(page, '10-bad-file');
  await page.getByRole('button', {name: `Remove ${name}`}).click();
  // A name like that on a good image is shown as text in the gallery and above the asset, too.
  await drop(page, fileOf(example('10-person.png'), '<b>person</b>.png'));
  await cutoutReady(page);
  await setSteps(page, 2, 1);
  await setFinish(page, false);
  await generate(page);
  await finished(page);
  // "/" ends a folder's name: what follows it is the file's.
  assert.equal(await page.locator('.asset-name b, .card-name b').count(), 0);
  assert.match(await page.locator('.asset-name').innerText(), />/);
  // The console tells of the refused request by itself; nothing else is there.
  assert.deepEqual(page.complaints.filter((text) => !/status of 4\d\d/.test(text)), []);
  await page.context().close();
});

test('the whole way with the keyboard', async () => {
  const page = await open(browser, server);
  const tabTo = async (what, limit = 60) => {
    for (let i = 0; i < limit; ++i) {
      await page.keyboard.press('Tab');
      const found = await page.evaluate((selector) => document.activeElement?.matches(selector) ?? false, what);
      const visible = await page.evaluate(() => {
        const at = document.activeElement;
        const shown = at.matches('input') && getComputedStyle(at).opacity === '0' ? at.nextElementSibling : at;
        // The file chooser is 1 pixel large; its label shows the focus.
        const mark = at.id === 'image-files' ? document.querySelector('.drop') : shown;
        return at === document.body || getComputedStyle(mark).outlineStyle !== 'none';
      });
      assert.ok(visible, `focus is seen on the way to ${what}`);
      if (found) return;
    }
    assert.fail(`${what} is not reached with Tab`);
  };
  await tabTo('.example[aria-label="Example: mushroom"]');
  await page.keyboard.press('Enter');
  await cutoutReady(page);
  await setSteps(page, 2, 1);
  await setFinish(page, false);
  await page.locator('.brand').focus();
  await tabTo('.button.primary');
  await page.keyboard.press('Enter');
  await finished(page);
  await viewsHave(page, 'clay');
  await page.locator('.make .button.primary').focus();
  await tabTo('.canvas-place');
  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('frame the object').waitFor();
  await shot(page, '11-keys');
  await page.keyboard.press('?');
  assert.equal(await page.getByRole('dialog').count(), 1, 'one sheet is enough');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({state: 'detached'});
  assert.ok(await page.evaluate(() => document.activeElement.matches('.canvas-place')), 'the focus is where it was');
  const start = await stillView(page);
  await page.keyboard.press('ArrowLeft');
  const turned = await stillView(page);
  assert.notDeepEqual(start, turned);
  await page.keyboard.press('3');
  await page.locator('.canvas-place[data-view="clay"]').waitFor();
  await shot(page, '11-keyboard');
  await page.keyboard.press('f');
  await page.keyboard.press('2');
  await tabTo('[data-format="glb"]');
  const glb = await save(page, () => page.keyboard.press('Enter'));
  assert.equal(glb.bytes.subarray(0, 4).toString(), 'glTF');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('everything has a name, and text, controls and focus stand out from their ground, in light and in dark', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(browser, server, {hash: `#job=${seed.id}`, colorScheme});
    await viewsHave(page, 'checker');
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
    const nameless = await page.evaluate(() => [...document.querySelectorAll('button, input, select, summary, a[href], [tabindex="0"], video')].filter((element) => {
      const label = element.getAttribute('aria-label') ?? [...(element.labels ?? [])].map((one) => one.textContent).join('') + element.textContent;
      return label.trim() === '';
    }).map((element) => element.outerHTML));
    assert.deepEqual(nameless, []);
    const faint = await page.evaluate(() => {
      const channel = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
      const light = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
      const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
          const colour = parse(getComputedStyle(at).backgroundColor);
          if (colour.length === 3 || colour[3] > 0.9) return colour;
        }
        return [255, 255, 255];
      };
      const ratio = (one, other) => {
        const [a, b] = [light(parse(one)), light(other)];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      };
      const seen = (element) => !element.closest('.disabled, :disabled, [hidden], .viewer-message, .hidden') && element.checkVisibility();
      const found = [];
      for (const element of document.querySelectorAll('#studio *')) {
        const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== '');
        if (!words || !seen(element)) continue;
        const contrast = ratio(getComputedStyle(element).color, ground(element));
        if (contrast < 4.5) found.push(`${element.className || element.tagName}: ${element.textContent.slice(0, 30)} ${contrast.toFixed(2)}`);
      }
      // What is no text: a control by its border or its filling, an icon by its lines, the focus by its ring.
      for (const element of document.querySelectorAll('#studio :is(.button:not(.quiet), .download, .drop, .segments, .chip span, select, input[type="number"], .icon)')) {
        if (!seen(element)) continue;
        const {color, borderTopColor, backgroundColor} = getComputedStyle(element);
        const around = ground(element.parentElement);
        const marks = element.matches('.icon') ? [color] : [borderTopColor, backgroundColor].filter((colour) => parse(colour)[3] !== 0);
        const contrast = Math.max(...marks.map((colour) => ratio(colour, around)));
        if (contrast < 3) found.push(`${element.getAttribute('class') ?? element.tagName} in ${element.parentElement.className} ${contrast.toFixed(2)}`);
      }
      document.querySelector('.brand').focus();
      for (const place of ['.bar', '.make', '.segments', '.viewer-bar']) {
        const contrast = ratio(getComputedStyle(document.querySelector('.brand')).outlineColor, ground(document.querySelector(place)));
        if (contrast < 3) found.push(`the focus in ${place} ${contrast.toFixed(2)}`);
      }
      return found;
    });
    assert.deepEqual(faint, [], `contrast in ${colorScheme}`);
    assert.deepEqual(await axe(page), [], colorScheme);
    await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = false)));
    await stillView(page);
    await shot(page, `12-${colorScheme}`);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
});

test('on a phone', async () => {
  const page = await open(browser, server, {hash: `#job=${seed.id}`, viewport: {width: 390, height: 844}, isMobile: true, hasTouch: true});
  await viewsHave(page, 'checker');
  const {wide, small} = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - innerWidth,
    small: [...document.querySelectorAll('.button:not(.small), .download, .segment')].filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 40).map((element) => element.textContent),
  }));
  assert.ok(wide <= 0, `${wide} pixels wider than the screen`);
  assert.deepEqual(small, []);
  await shot(page, '13-phone-top');
  await page.locator('.viewer').scrollIntoViewIfNeeded();
  await stillView(page);
  await shot(page, '14-phone-viewer');
  await page.getByRole('radio', {name: 'Clay'}).tap();
  await page.locator('.canvas-place[data-view="clay"]').waitFor();
  await page.locator('.details').scrollIntoViewIfNeeded();
  await shot(page, '15-phone-details');
  assert.deepEqual(await axe(page), []);
  // Between phone and desk the viewer has little room beside the settings.
  await page.setViewportSize({width: 820, height: 1180});
  for (const part of ['.tools', '.viewer-bar .segments', '.scale']) {
    const {x, width} = await page.locator(part).boundingBox();
    assert.ok(x + width <= 820 - 16, `${part} ends at ${x + width}`);
  }
  await shot(page, '15-tablet');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('fingers turn, pinch and move the object, and scroll the page elsewhere', async () => {
  const page = await open(browser, server, {hash: `#job=${seed.id}`, viewport: {width: 390, height: 844}, isMobile: true, hasTouch: true});
  await viewsHave(page, 'checker');
  await page.locator('.viewer').evaluate((viewer) => viewer.scrollIntoView({block: 'start'}));
  await stillView(page);
  const cdp = await page.context().newCDPSession(page);
  const send = (type, points) => cdp.send('Input.dispatchTouchEvent', {type, touchPoints: points.map(([x, y], id) => ({x, y, id}))});
  /** Fingers go from where they are to where they shall be. */
  const fingers = async (from, to) => {
    await send('touchStart', from);
    for (let i = 1; i <= 8; ++i) await send('touchMove', from.map((a, f) => a.map((v, axis) => v + (to[f][axis] - v) * i / 8)));
    await send('touchEnd', []);
    await stillView(page);
  };
  /** The labels of width and depth: how far apart, where their middle is, and how one lies to the other. */
  const labels = async () => {
    const [a, b] = await Promise.all(['width', 'depth'].map((axis) => page.locator(`.dimension[data-axis="${axis}"]`).boundingBox()));
    return {apart: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, slope: Math.atan2(b.y - a.y, b.x - a.x)};
  };
  const {x, y, width, height} = await page.locator('.canvas-place').boundingBox();
  const [cx, cy] = [x + width / 2, y + height / 2];
  const scrolled = () => page.evaluate(() => scrollY);
  const top = await scrolled();

  const before = await labels();
  await fingers([[cx - 60, cy], [cx + 60, cy]], [[cx - 35, cy], [cx + 35, cy]]);
  const pinched = await labels();
  assert.ok(pinched.apart < before.apart * 0.85, `a pinch makes it smaller: ${before.apart} to ${pinched.apart}`);
  await fingers([[cx - 40, cy], [cx + 40, cy]], [[cx - 40, cy - 60], [cx + 40, cy - 60]]);
  const moved = await labels();
  assert.ok(moved.y < pinched.y - 30, `two fingers move it: ${pinched.y} to ${moved.y}`);
  await fingers([[cx, cy]], [[cx + 60, cy]]);
  assert.ok(Math.abs((await labels()).slope - moved.slope) > 0.05, 'one finger turns it');
  await fingers([[cx, cy]], [[cx, cy - 80]]);
  assert.equal(await scrolled(), top, 'the page stays');
  assert.equal(await page.evaluate(() => visualViewport.scale), 1, 'the page is not enlarged');

  /** Where a finger can scroll, it does; the browser learns a moment late where that is. */
  const swipe = async (at) => {
    const start = await scrolled();
    for (let i = 0; i < 20 && (await scrolled()) <= start; ++i) await fingers([[cx, at]], [[cx, at - 120]]);
    assert.ok((await scrolled()) > start, `a finger scrolls at ${at}`);
  };
  await swipe(y + height + 200);  // beside the object
  await page.locator('.brand').click();
  await page.getByRole('heading', {name: 'Drop an image to begin'}).waitFor();
  await page.locator('.viewer').evaluate((viewer) => viewer.scrollIntoView({block: 'end'}));
  await swipe(600);  // where there is no object
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('while the server loads its checkpoint the page says so, and goes on by itself', async () => {
  const page = await newPage(browser);
  let asked = 0;
  await page.route('**/health', (route) => (++asked <= 2 ? route.fulfill({status: 503, json: {status: 'loading'}}) : route.continue()));
  await page.goto(server.url);
  await page.getByText('The server is loading its checkpoint.').waitFor();
  await shot(page, '16-loading');
  await page.locator('.example').first().waitFor();
  assert.equal(await page.getByRole('combobox', {name: 'Model'}).inputValue(), 'sprout');
  assert.ok(await page.locator('.away').isHidden());
  assert.deepEqual(page.complaints.filter((text) => !/status of 503/.test(text)), []);
  await page.context().close();
});

test('without WebGL the page says so, and files can be had', async () => {
  const plain = await launch(['--disable-3d-apis']);
  const page = await open(plain, server, {hash: `#job=${seed.id}`});
  await page.getByRole('heading', {name: 'This browser shows no 3D here'}).waitFor();
  const glb = await save(page, () => page.locator('[data-format="glb"]').click());
  assert.deepEqual(glb.bytes, Buffer.from(await (await fetch(new URL(seed.files.find(({name}) => name === 'asset.glb').url, server.url))).arrayBuffer()));
  await shot(page, '16-no-webgl');
  assert.deepEqual(page.complaints, []);
  await plain.close();
});

test('a server with a key asks for it', async () => {
  const guarded = await Server.start('--api-key', 'correct-horse');
  const page = await newPage(browser);
  await page.goto(guarded.url);
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', {name: 'Not now'}).click();
  await shot(page, '17-no-key');
  await page.getByRole('button', {name: 'Try again'}).click();
  await dialog.getByLabel('Key').fill('wrong-horse');
  await page.keyboard.press('Enter');
  await dialog.getByRole('alert').waitFor();
  await shot(page, '17-key');
  await dialog.getByLabel('Key').fill('correct-horse');
  await page.keyboard.press('Enter');
  await page.locator('.example').first().click();
  await cutoutReady(page);
  await page.reload();
  await page.locator('.example').first().waitFor();  // the key is kept as long as the tab
  assert.deepEqual(page.complaints.filter((text) => !/status of 401/.test(text)), []);
  await page.context().close();
  await guarded.stop();
});

test('the server is killed in mid-job and comes back; the gallery is as before', async () => {
  const page = await open(browser, server);
  await page.locator(`.card[data-job="${seed.id}"]`).waitFor();
  const cards = await page.locator('.card').count();
  await page.getByRole('button', {name: 'Example: boat'}).click();
  await cutoutReady(page);
  await setSteps(page, 1000);
  await setFinish(page, false);
  await generate(page);
  await reached(page, 'Structure');
  const id = new URL(page.url()).hash.slice(5);
  await server.kill();
  await page.locator('.away strong').waitFor();
  await page.getByRole('radio', {name: 'None'}).check();  // a cut-out that is asked for now comes later
  await page.locator('.image[aria-busy="true"]').waitFor();
  await shot(page, '18-server-away');
  await server.run();
  await page.locator('.away').waitFor({state: 'hidden'});
  await cutoutReady(page);
  const job = await server.json(`/v1/jobs/${id}`);
  if (job.state === 'failed') {
    await page.locator('.viewer-message h2', {hasText: job.error.message}).waitFor();
  } else {
    await page.locator('.progress-panel .percent').waitFor();
    await page.getByRole('button', {name: 'Cancel', exact: true}).click();
    await page.getByRole('heading', {name: 'Cancelled'}).waitFor({timeout: PATIENCE});
  }
  await shot(page, '19-server-back');
  assert.equal(await page.locator('.card').count(), cards + 1);
  // A thumbnail is an image that was loaded.
  await page.waitForFunction((card) => document.querySelector(`.card[data-job="${card}"] img`)?.naturalWidth > 0, seed.id);
  await page.locator(`.card[data-job="${seed.id}"] .card-open`).click();
  await finished(page);
  await viewsHave(page, 'checker');
  await shot(page, '20-gallery-after-restart');
  // The console tells of refused connections by itself.
  assert.deepEqual(page.complaints.filter((text) => !/ERR_(CONNECTION|INCOMPLETE|EMPTY)|status of 503/.test(text)), []);
  await page.context().close();
});

test('one asset after another is shown, and each as before', async () => {
  const page = await open(browser, server);
  const show = async (name) => {
    await page.locator('.card', {hasText: name}).locator('.card-open').click();
    await finished(page);
    await page.locator('.canvas-place[data-views~="splats"][data-views~="clay"]').waitFor();
    await page.getByRole('radio', {name: 'Clay'}).check();
    await page.mouse.move(0, 0);
    return stillView(page);
  };
  const chair = await show('my chair');
  const mushroom = await show('mushroom');
  assert.notDeepEqual(chair, mushroom);
  const share = await differing(page, await show('my chair'), chair);
  assert.ok(share < 0.01, `${share} of the pixels differ`);
  await page.goBack();
  await page.locator('.asset-name', {hasText: 'mushroom'}).waitFor();
  await page.locator('.brand').click();
  await page.getByRole('heading', {name: 'Drop an image to begin'}).waitFor();
  assert.equal(await page.locator('.details').isVisible(), false);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('nothing comes from elsewhere, and the page is small', async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const asked = [];
  let bytes = 0;
  page.on('request', (request) => asked.push(request.url()));
  page.on('requestfinished', async (request) => {
    if (/\.(js|css|html)$|\/$/.test(new URL(request.url()).pathname)) bytes += (await request.sizes()).responseBodySize;
  });
  await page.goto(`${server.url}#job=${seed.id}`);
  await page.locator('.canvas-place[data-views~="splats"][data-views~="checker"]').waitFor({timeout: 240000});
  await page.waitForTimeout(300);
  assert.deepEqual(asked.filter((url) => !url.startsWith(server.url) && !url.startsWith('blob:') && !url.startsWith('data:')), []);
  assert.ok(bytes > 100000 && bytes < 1500000, `${bytes} bytes of page, as sent`);
  await context.close();
});
