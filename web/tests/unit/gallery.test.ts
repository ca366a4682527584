import assert from 'node:assert/strict';
import {test} from 'node:test';
import './english.js';
import type {Job} from '../../src/api/types.js';
import {arranged} from '../../src/core/gallery_list.js';

const job = (id: string, more: Partial<Job> = {}): Job => ({
  id, kind: 'image', asset: true, pinned: false, parent: null, name: id, state: 'done', created: `2026-01-0${id.length}T00:00:00Z`, started: null,
  finished: null, position: null, options: {}, progress: null, error: null, files: [], report: null, notices: [], ...more,
});
const file = (bytes: number): Job['files'][number] => ({name: 'asset.glb', role: 'result', format: 'glb', bytes, media_type: '', url: ''});

test('assets are sorted, and equal ones by their age', () => {
  const jobs = [job('a', {report: {faces: 5}, files: [file(10)]}), job('bb', {name: 'A10', report: {faces: 5}}), job('ccc', {name: 'a2', files: [file(2), file(9)]})];
  const order = (sort: 'newest' | 'oldest' | 'name' | 'faces' | 'bytes'): string => arranged(jobs, {search: '', sort, filter: 'all'}).map(({id}) => id).join();
  assert.equal(order('newest'), 'ccc,bb,a');
  assert.equal(order('oldest'), 'a,bb,ccc');
  assert.equal(order('name'), 'a,ccc,bb');
  assert.equal(order('faces'), 'bb,a,ccc');
  assert.equal(order('bytes'), 'ccc,a,bb');
});

test('a search looks into names and prompts, without case and marks, and finds seeds whole', () => {
  const jobs = [job('a', {name: 'Röter Stuhl', options: {seed: 42}}), job('bb', {name: 'x', options: {prompt: 'a RED chair', seed: 421}})];
  const found = (search: string): string => arranged(jobs, {search, sort: 'oldest', filter: 'all'}).map(({id}) => id).join();
  assert.equal(found('roter stuhl'), 'a');
  assert.equal(found('stuhl röter'), 'a');
  assert.equal(found('chair red'), 'bb');
  assert.equal(found('42'), 'a');
  assert.equal(found('sofa'), '');
  assert.equal(found('  '), 'a,bb');
});

test('filters', () => {
  const jobs = [job('a'), job('bb', {state: 'failed'}), job('ccc', {state: 'running'}), job('dddd', {state: 'cancelled', pinned: true})];
  const found = (filter: 'all' | 'done' | 'active' | 'ended' | 'pinned'): string => arranged(jobs, {search: '', sort: 'oldest', filter}).map(({id}) => id).join();
  assert.deepEqual(['all', 'done', 'active', 'ended', 'pinned'].map((one) => found(one as 'all')), ['a,bb,ccc,dddd', 'a', 'ccc', 'bb,dddd', 'dddd']);
});
