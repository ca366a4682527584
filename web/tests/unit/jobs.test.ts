import assert from 'node:assert/strict';
import {test} from 'node:test';
import './english.js';
import {ApiError, errorOf, explain, Unreachable} from '../../src/api/errors.js';
import {applied} from '../../src/api/follow.js';
import type {Job, JobFile} from '../../src/api/types.js';
import {PHASES, phaseOf, titleOf} from '../../src/core/stages.js';

function job(id: string, more: Partial<Job> = {}): Job {
  return {id, kind: 'image', parent: null, name: 'chair', state: 'running', created: '2026-03-01T12:00:00Z', started: null, finished: null, position: null,
    options: {}, progress: null, error: null, files: [], report: null, notices: [], ...more};
}

function file(name: string, bytes: number): JobFile {
  return {name, role: 'result', format: 'glb', bytes, media_type: 'model/gltf-binary', url: `/v1/jobs/a/files/${name}`};
}

test('events change a job', () => {
  const before = job('a');
  const progress = {stage: 'bake-texture', title: 'baking the texture', phase: 'finish', step: 1, steps: 2, fraction: 0.5, seconds_left: 3, memory_bytes: 9};
  assert.deepEqual(applied(before, 'progress', JSON.stringify(progress)).progress, progress);
  assert.equal(applied(before, 'state', JSON.stringify(job('a', {state: 'done'}))).state, 'done');
  assert.equal(applied(before, 'unheard of', '{}'), before);
});

test('a file that is announced twice is one file', () => {
  const once = applied(job('a'), 'file', JSON.stringify(file('asset.glb', 1)));
  const twice = applied(once, 'file', JSON.stringify(file('asset.glb', 2)));
  assert.deepEqual(twice.files.map(({bytes}) => bytes), [2]);
});

test('phases have titles, and unknown ones are left alone', () => {
  assert.deepEqual(PHASES.map(titleOf), ['Image', 'Structure', 'Detail', 'Mesh', 'Finish']);
  assert.equal(phaseOf('mesh'), 'mesh');
  assert.equal(phaseOf('something new'), null);
});

test('errors say what happened and what to do', () => {
  const error = errorOf(400, '{"error":{"code":"format","message":"no image","hint":"use a PNG"}}');
  assert.ok(error instanceof ApiError);
  assert.deepEqual(explain(error), {message: 'No image', hint: 'Use a PNG'});
  assert.match(explain(errorOf(502, '<html>Bad gateway</html>')).message, /502/);
  assert.match(explain(new Unreachable()).hint, /espalier serve/);
  assert.equal(explain(new Error('odd')).message, 'Odd');
});
