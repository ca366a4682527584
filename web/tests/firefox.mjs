// The page in Firefox without WebGL, against the program itself: loading, the keyboard, an asset from an image to its files.
// node tests/firefox.mjs [PROGRAM [FOLDER OF SCREENSHOTS]]; exit status 77 (skipped) when there is no Firefox or "npm ci" was not run.
import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import {after, before, test} from 'node:test';

const [, , program, shots] = process.argv;
const executablePath = process.env.ESPALIER_FIREFOX ?? '/usr/bin/firefox-esr';
const {firefox} = await import('playwright-core').catch(() => skip('the packages of the tests are missing; run "npm ci" in web'));
if (!existsSync(executablePath)) skip(`there is no ${executablePath}; install the package firefox-esr, or name a Firefox in ESPALIER_FIREFOX`);
if (program) process.env.ESPALIER_PROGRAM = program;
if (shots) process.env.ESPALIER_SHOTS = shots;
const {cutoutReady, finished, open, Server, setFinish, setSteps, shot} = await import('./browser/support.mjs');

function skip(why) {
  console.log(`SKIPPED: ${why}`);
  process.exit(77);
}

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([
    Server.start(),
    // The protocol that Firefox itself speaks (WebDriver BiDi); no patched build.
    firefox.launch({channel: 'moz-firefox', executablePath, firefoxUserPrefs: {'webgl.disabled': true}}),
  ]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('it loads without a complaint', async () => {
  const page = await open(browser, server);
  assert.equal(await page.title(), 'Espalier studio');
  assert.equal(await page.locator('.example').count(), 12);
  await page.waitForFunction(() => [...document.querySelectorAll('.example img')].every((image) => image.naturalWidth > 0));
  assert.ok(await page.getByRole('button', {name: 'Generate'}).isDisabled());
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('every control is reached with Tab, is seen and has a name', async () => {
  const page = await open(browser, server);
  await page.locator('.brand').focus().catch(() => {});
  const seen = [];
  for (let i = 0; i < 120; ++i) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return null;
      const shown = element.matches('input') && getComputedStyle(element).opacity === '0' ? element.nextElementSibling : element;
      const mark = element.id === 'image-files' ? document.querySelector('.drop') : shown;  // the chooser is 1 pixel large; its label shows the focus
      const name = element.getAttribute('aria-label') || element.labels?.[0]?.textContent || element.textContent || element.title || element.getAttribute('aria-labelledby');
      const box = mark.getBoundingClientRect();
      return {
        key: element.outerHTML.slice(0, 200), named: Boolean(name?.trim()), outlined: getComputedStyle(mark).outlineStyle !== 'none',
        inside: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight, example: element.matches('.example'), order: element.tabIndex,
      };
    });
    if (!at || (seen.length > 0 && at.key === seen[0].key)) break;
    seen.push(at);
  }
  for (const what of ['named', 'outlined', 'inside']) assert.deepEqual(seen.filter((at) => !at[what]).map((at) => at.key), [], what);
  assert.ok(seen.every((at) => at.order <= 0), 'the order is that of the page');
  assert.equal(seen.filter((at) => at.example).length, 12);
  assert.ok(seen.length > 25 && seen.length < 120, `${seen.length} controls, and no trap among them`);
  await page.context().close();
});

test('from an example to its files, with the keyboard, and a word about the viewer', async () => {
  const page = await open(browser, server);
  await page.locator('.example[aria-label="Example: chair"]').focus();
  await page.keyboard.press('Enter');
  await cutoutReady(page);
  await setSteps(page, 2, 1);
  await setFinish(page, false);
  await page.locator('.button.primary').focus();
  await page.keyboard.press('Enter');
  await finished(page);
  await page.getByText('WebGL 2 is missing or switched off', {exact: false}).first().waitFor();
  // The protocol has no event for a download, so the page tells what it would save.
  await page.evaluate(() => {
    window.saved = new Promise((resolve) => {
      let blob;
      const made = URL.createObjectURL.bind(URL);
      URL.createObjectURL = (from) => made(blob = from);
      HTMLAnchorElement.prototype.click = async function() { resolve([this.download, await blob.slice(0, 4).text()]); };
    });
  });
  await page.locator('[data-format="glb"]').focus();
  await page.keyboard.press('Enter');
  assert.deepEqual(await page.evaluate(() => window.saved), ['chair.glb', 'glTF']);
  await shot(page, 'firefox');
  assert.deepEqual(page.complaints.filter((text) => !/Content-Security-Policy.*inline style/.test(text)), [], 'but for the style that a screenshot brings along');
  await page.context().close();
});
