import assert from 'node:assert/strict';
import {test} from 'node:test';
import './english.js';
import type {JobOptions, Model} from '../../src/api/types.js';
import {backgroundsOf, finishOf, finishOptions, hasEffect, initialSettings, jobOptions, promptOptions, samplersOf, settingsOf, tidied} from '../../src/core/options.js';

const MODEL: Model = {
  name: 'sprout', pipeline: 'TrellisImageTo3DPipeline', device: 'cpu', precision: 'float32', tier: 'high', loaded: true, untrained: false,
  structure_defaults: {steps: 12, guidance: 2}, latent_defaults: {steps: 8, guidance: 0},
  app_structure: {steps: 12, guidance: 7.5}, app_latent: {steps: 12, guidance: 3},
  fast_structure: {steps: 5, guidance: 2}, fast_latent: {steps: 4, guidance: 0},
};

const ONE = ['auto'] as const;
const TWO = ['auto', 'none'] as const;

test('presets', () => {
  assert.deepEqual(samplersOf('checkpoint', MODEL), {structure: {steps: 12, guidance: 2}, latent: {steps: 8, guidance: 0}});
  assert.deepEqual(samplersOf('app', MODEL), {structure: {steps: 12, guidance: 7.5}, latent: {steps: 12, guidance: 3}});
  assert.deepEqual(samplersOf('fast', MODEL), {structure: {steps: 5, guidance: 2}, latent: {steps: 4, guidance: 0}});
});

test('a random seed is left to the server, a chosen one is sent', () => {
  const settings = initialSettings(MODEL);
  assert.equal(jobOptions(settings, 'chair', ONE).seed, null);
  assert.equal(jobOptions({...settings, randomise: false, seed: 7}, 'chair', ONE).seed, 7);
});

test('the algorithm for several images is sent with several images', () => {
  const settings = initialSettings(MODEL);
  assert.equal('multi_image' in jobOptions(settings, 'chair', ONE), false);
  assert.equal(jobOptions(settings, 'chair', TWO).multi_image, 'stochastic');
  assert.equal(jobOptions(settings, 'chair', TWO).views, true);
  assert.equal('views' in jobOptions(settings, 'chair', ONE), false);
});

test('every image has its background, and a latent has none', () => {
  const settings = initialSettings(MODEL);
  assert.deepEqual(backgroundsOf(jobOptions(settings, 'chair', TWO), 2), TWO);
  assert.equal('background' in jobOptions(settings, 'chair', []), false);
  assert.deepEqual(backgroundsOf({background: 'alpha'}, 3), ['alpha', 'alpha', 'alpha']);  // one for all, from another client
  assert.deepEqual(backgroundsOf({}, 1), ['auto']);
});

test('a share or a number of faces, never both', () => {
  const settings = initialSettings(MODEL);
  assert.equal(finishOptions(settings).faces, null);
  assert.equal(finishOptions(settings).simplify, 0.95);
  const budget = finishOptions({...settings, reduceBy: 'faces', faces: 5000});
  assert.equal(budget.faces, 5000);
  assert.equal('simplify' in budget, false);
});

test('a mesh as decoded has no settings of finishing', () => {
  const options = finishOptions({...initialSettings(MODEL), finish: false});
  assert.equal(options.raw_mesh, true);
  assert.equal('texture' in options, false);
});

test('settings survive the way to the server and back', () => {
  const settings = {...initialSettings(MODEL), randomise: false, seed: 99, preset: 'app' as const, structure: {steps: 20, guidance: 5}, latent: {steps: 9, guidance: 1},
    simplify: 0.9, textureSize: 2048, bake: 'fast' as const, formats: ['glb', 'stl'], sizeMm: 55, fillHoles: false};
  assert.deepEqual(settingsOf(jobOptions(settings, 'chair', TWO), MODEL), settings);
  const budget = {...settings, reduceBy: 'faces' as const, faces: 1234, simplify: 0.95};
  assert.deepEqual(settingsOf(jobOptions(budget, 'chair', TWO), MODEL), budget);
});

test('steps that the server resolved to nothing are those of the checkpoint', () => {
  const settings = settingsOf({structure: {steps: 3, guidance: null}, latent: {steps: null, guidance: null}}, MODEL);
  assert.deepEqual(settings.structure, {steps: 3, guidance: 2});
  assert.deepEqual(settings.latent, {steps: 8, guidance: 0});
});

test('what a job does not say is as the table has it', () => {
  assert.equal(finishOf({}).textureSize, 1024);
});

test('what has no effect is not sent, by the rules of the option table', () => {
  const settings = {...initialSettings(MODEL), textureFormat: 'webp' as const, textureSize: 2048, sizeMm: 55, projectImage: true};
  const glb = finishOptions(settings);
  assert.equal(glb.texture_format, 'webp');
  assert.equal('size_mm' in glb, false);
  assert.equal(finishOptions({...settings, formats: ['glb', 'stl']}).size_mm, 55);
  const bare = finishOptions({...settings, texture: false});
  for (const key of ['texture_format', 'texture_size', 'project_image']) assert.equal(key in bare, false, key);
  assert.equal('texture_format' in finishOptions({...settings, finish: false}), false);
  const splats = finishOptions({...settings, formats: ['ply'], simplify: 0.5, bake: 'fast'});
  for (const key of ['texture_format', 'texture_size', 'bake', 'simplify', 'project_image', 'size_mm']) assert.equal(key in splats, false, key);
  assert.equal(jobOptions(settings, 'chair', ONE).project_image, true);
  const written = promptOptions(settings, 'a chair', 'a chair', 'arms');
  assert.notEqual(written.project_image, true, 'a prompt has no image');
  assert.deepEqual([written.prompt, written.negative_prompt, written.texture_size], ['a chair', 'arms', 2048]);
  assert.equal(hasEffect('unlit', {formats: ['stl']}), false);
  assert.equal(hasEffect('unlit', {formats: ['glb', 'stl']}), true);
  assert.equal(hasEffect('min_wall_mm', {watertight: true} as JobOptions), true);
});

test('maps, light, walls and compression are sent where they have an effect', () => {
  const settings = {...initialSettings(MODEL), maps: ['normal', 'ao'] as const, delight: 0.7, watertight: true, minWallMm: 1.2, compress: 'draco' as const, lods: 3};
  const all = finishOptions({...settings, maps: [...settings.maps]});
  assert.deepEqual([all.maps, all.delight, all.watertight, all.min_wall_mm, all.compress, all.lods], [['normal', 'ao'], 0.7, true, 1.2, 'draco', 3]);
  const again = finishOf(all);
  assert.deepEqual([again.maps, again.delight, again.watertight, again.minWallMm, again.compress, again.lods], [['normal', 'ao'], 0.7, true, 1.2, 'draco', 3]);
  const bare = finishOptions({...settings, maps: ['ao'], texture: false, watertight: false});
  for (const key of ['maps', 'delight', 'min_wall_mm']) assert.equal(key in bare, false, key);
  assert.equal('maps' in finishOptions({...settings, maps: ['ao'], formats: ['stl']}), false, 'an STL has no textures');
  assert.equal('compress' in finishOptions({...settings, maps: [], formats: ['stl']}), false);
});

test('what is made again inherits nothing that was switched off', () => {
  const off = finishOptions(initialSettings(MODEL));
  assert.deepEqual([off.maps, off.delight, off.project_image, off.watertight, off.compress, off.lods], [['none'], 0, false, false, 'none', 1]);
  assert.deepEqual(finishOf({maps: ['none']}).maps, []);
});

test('lists of a link hold nothing but what there is', () => {
  const odd = tidied({...initialSettings(MODEL), maps: ['ao', 'x', 'none'] as never, formats: ['stl', '../etc', 'stl'] as never});
  assert.deepEqual([odd.maps, odd.formats], [['ao'], ['glb', 'stl']]);
});
