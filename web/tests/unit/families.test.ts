import assert from 'node:assert/strict';
import {test} from 'node:test';
import './english.js';
import type {Job} from '../../src/api/types.js';
import {changes} from '../../src/core/changes.js';
import {families, frontOf} from '../../src/core/families.js';

const image = (bytes: number, format = 'png'): Job['files'][number] => ({name: `input.${format}`, role: 'input', format, bytes, media_type: '', url: ''});
const job = (id: string, more: Partial<Job> = {}): Job => ({
  id, kind: 'image', asset: true, pinned: false, parent: null, name: id, state: 'done', created: '', started: null, finished: null, position: null,
  options: {}, progress: null, error: null, files: [image(1000)], report: null, notices: [], ...more,
});
const grouped = (...jobs: Job[]): string[] => families(jobs, new Map(jobs.map((one) => [one.id, one]))).map((family) => family.map(({id}) => id).join('+'));

test('versions have one input, or come from one another', () => {
  assert.deepEqual(grouped(job('a'), job('b', {files: [image(7)]}), job('c')), ['a+c', 'b']);
  assert.deepEqual(grouped(job('a'), job('b', {files: [image(1000), image(1000)]})), ['a', 'b'], 'two images are another input than one');
  assert.deepEqual(grouped(job('e', {kind: 'export', parent: 'd', files: []}), job('d', {kind: 'export', parent: 'a', files: []}), job('x', {files: [image(5)]}), job('a')), ['e+d+a', 'x']);
  assert.deepEqual(grouped(job('e', {kind: 'export', parent: 'gone', files: []}), job('f', {kind: 'export', parent: 'gone', files: []})), ['e+f']);
  assert.deepEqual(grouped(job('a', {kind: 'text', options: {prompt: 'x'}}), job('b', {kind: 'text', options: {prompt: 'y'}}), job('c', {kind: 'text', options: {prompt: 'x'}})), ['a+c', 'b']);
  assert.deepEqual(grouped(job('a', {files: [image(1000, 'bmp')]}), job('b', {files: [image(1000, 'bmp')]})), ['a', 'b'], 'sizes of bitmaps tell nothing');
});

test('the version in view stands for the others, else what runs, else the newest that is finished', () => {
  const family = [job('a', {state: 'failed'}), job('b'), job('c', {state: 'running'}), job('d')];
  assert.equal(frontOf(family, 'd')?.id, 'd');
  assert.equal(frontOf(family, null)?.id, 'c');
  assert.equal(frontOf(family.filter(({id}) => id !== 'c'), 'elsewhere')?.id, 'b');
  assert.equal(frontOf(family.slice(0, 1), null)?.id, 'a');
});

test('what is different in a version', () => {
  const first = job('a', {options: {seed: 1, structure: {steps: 12, guidance: 5}, latent: {steps: 12, guidance: 3}, texture_size: 1024}, report: {faces: 9000}});
  assert.deepEqual(changes(job('b', {options: {...first.options}, report: {faces: 9100}}), first), []);
  assert.deepEqual(changes(job('b', {options: {...first.options, seed: 2, latent: {steps: 25, guidance: 3}}}), first),
    [{what: 'seed', value: 2}, {what: 'steps', value: [12, 25]}]);
  assert.deepEqual(changes(job('b', {kind: 'export', options: {faces: 500, texture: false}, report: {faces: 498}}), first), [{what: 'faces', value: 498}, {what: 'plain'}]);
  assert.deepEqual(changes(job('b', {options: {...first.options, raw_mesh: true}}), first), [{what: 'raw'}]);
  assert.deepEqual(changes(job('b', {options: {...first.options, texture_size: 2048, project_image: true}}), first), [{what: 'texture', value: 2048}, {what: 'projected'}]);
  assert.deepEqual(changes(job('b', {options: {...first.options, maps: ['normal'], delight: 0.5, watertight: true}}), first),
    [{what: 'watertight'}, {what: 'maps', value: ['normal']}, {what: 'delit', value: 0.5}]);
  assert.deepEqual(changes(job('b', {kind: 'edit', options: {...first.options}}), first), [{what: 'edit'}]);
});
