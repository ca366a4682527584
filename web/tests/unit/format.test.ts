import assert from 'node:assert/strict';
import {test} from 'node:test';
import './english.js';
import {ago, bytes, capitalised, count, duration, fileName, metres, stem} from '../../src/core/format.js';

test('bytes', () => {
  assert.equal(bytes(0), '0 B');
  assert.equal(bytes(999), '999 B');
  assert.equal(bytes(1207840), '1.2 MB');
  assert.equal(bytes(397900000), '398 MB');
  assert.equal(bytes(4.1e9), '4.1 GB');
});

test('counts and durations', () => {
  assert.equal(count(17950), '17,950');
  assert.equal(duration(0.4), '0 s');
  assert.equal(duration(59.6), '1 min 00 s');
  assert.equal(duration(125), '2 min 05 s');
  assert.equal(duration(3720), '1 h 02 min');
  assert.equal(duration(-5), '0 s');
});

test('lengths', () => {
  assert.equal(metres(1.2), '1.20 m');
  assert.equal(metres(0.913), '91 cm');
  assert.equal(metres(0.0452), '4.5 cm');
  assert.equal(metres(0.0042), '4.2 mm');
});

test('how long ago', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  assert.equal(ago('2026-03-01T11:59:40Z', now), 'just now');
  assert.equal(ago('2026-03-01T11:15:00Z', now), '45 min ago');
  assert.equal(ago('2026-03-01T02:00:00Z', now), '10 h ago');
  assert.equal(ago('2026-02-01T02:00:00Z', now), '1 Feb 2026');
  assert.equal(ago('nonsense', now), '');
});

test('beginnings of sentences', () => {
  assert.equal(capitalised('the image is too large'), 'The image is too large');
  assert.equal(capitalised('my chair.png: the image is too large'), 'my chair.png: the image is too large');
});

test('names of files', () => {
  assert.equal(stem('C:\\images\\front view.jpeg'), 'front view');
  assert.equal(stem('.png'), '.png');
  assert.equal(stem('archive.tar'), 'archive');
  assert.equal(fileName('a/b\\c:d<e>"f"|g?h*\n'), 'a_b_c_d_e_f_g_h_');
  assert.equal(fileName('...'), 'asset');
  assert.equal(fileName('x'.repeat(200)).length, 80);
});
