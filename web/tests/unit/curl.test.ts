import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {test} from 'node:test';
import './english.js';
import {curlOf, packed, quoted, unpacked} from '../../src/core/curl.js';

/** What a shell makes of a line: its words. */
function wordsOf(line: string): string[] {
  const {stdout} = spawnSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; }; ${line}`], {encoding: 'utf8', env: {ESPALIER_API_KEY: 'k'}});
  return stdout.trimEnd().split('\n');
}

test('a shell reads the command as it is meant', () => {
  const line = curlOf({origin: 'http://127.0.0.1:7860', withKey: true, files: [{field: 'image', name: "it's $HOME;.png"}, {field: 'mask', name: 'a "b"\\.png'}], options: {name: "it's `x`", seed: 3}});
  assert.deepEqual(wordsOf(line), ['-H', 'Authorization: Bearer k', '-F', 'image=@"it\'s $HOME;.png"', '-F', 'mask=@"a \\"b\\"\\\\.png"',
    '-F', 'options={"name":"it\'s `x`","seed":3}', 'http://127.0.0.1:7860/v1/jobs']);
  assert.equal(quoted('plain.png'), 'plain.png');
  assert.doesNotMatch(curlOf({origin: 'http://x', withKey: false, files: [], options: {}}), /Authorization/);
});

test('settings go into a link and come back', () => {
  const settings = {seed: 7, name: 'Stühle 椅子', list: ['a']};
  assert.match(packed(settings), /^[\w-]+$/);
  assert.deepEqual(unpacked(packed(settings)), settings);
  for (const wrong of ['', '%', 'bm90IGpzb24', packed([1]), 'bnVsbA']) assert.equal(unpacked(wrong), null, wrong);
});
