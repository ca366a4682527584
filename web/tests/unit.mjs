// Tests of what needs no browser: bundles tests/unit/*.test.ts for node and hands them to its test runner.
import {spawnSync} from 'node:child_process';
import {mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';

const here = join(dirname(fileURLToPath(import.meta.url)), 'unit');
const out = mkdtempSync(join(tmpdir(), 'espalier-unit-'));
try {
  const names = readdirSync(here).filter((name) => name.endsWith('.test.ts'));
  await build({entryPoints: names.map((name) => join(here, name)), outdir: out, outExtension: {'.js': '.mjs'}, bundle: true, platform: 'node',
    format: 'esm', target: 'node18', logLevel: 'error'});
  const {status} = spawnSync(process.execPath, ['--test', ...names.map((name) => join(out, name.replace(/\.ts$/, '.mjs')))],
    {stdio: 'inherit', env: {...process.env, ESPALIER_ROOT: join(here, '..', '..', '..')}});
  process.exitCode = status ?? 1;
} finally {
  rmSync(out, {recursive: true, force: true});
}
