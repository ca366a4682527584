// The studio in a browser, against the program itself: node tests/browser.mjs [PROGRAM [FOLDER OF SCREENSHOTS]]
// Exit status 77 (skipped) when there is no Chromium or "npm ci" was not run.
import {spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [, , program, shots] = process.argv;

function skip(why) {
  console.log(`SKIPPED: ${why}`);
  process.exit(77);
}

if (!existsSync(join(here, '..', 'node_modules', 'playwright-core'))) skip('the packages of the tests are missing; run "npm ci" in web');
const chromium = process.env.ESPALIER_CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(chromium)) skip(`there is no ${chromium}; install the package chromium, or name a browser in ESPALIER_CHROMIUM`);

const unit = spawnSync(process.execPath, [join(here, 'unit.mjs')], {stdio: 'inherit'});
const browser = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...['studio', 'masks', 'languages', 'gallery', 'versions', 'viewing', 'queue'].map((name) => join(here, 'browser', `${name}.test.mjs`))], {
  stdio: 'inherit',
  env: {...process.env, ...(program ? {ESPALIER_PROGRAM: program} : {}), ...(shots ? {ESPALIER_SHOTS: shots} : {})},
});
process.exit(unit.status || browser.status || 0);
