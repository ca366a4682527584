import assert from 'node:assert/strict';
import {test} from 'node:test';
import './english.js';
import {between, IN_PLACE, placementIn} from '../../src/viewer/placement.js';

test('the placement of a file is read, and anything else is in place', () => {
  assert.deepEqual(placementIn('origin 0.5 -1e-3 -0.25, scale 2'), {origin: [0.5, -0.001, -0.25], scale: 2});
  for (const text of [undefined, 7, '', 'origin 1 2, scale 3', 'origin a b c, scale d', 'origin 0 0 0, scale 0']) assert.deepEqual(placementIn(text), IN_PLACE);
});

test('from the own frame, Z up, to a file that stands on the floor, Y up', () => {
  const {scale, move} = between(IN_PLACE, {origin: [0.1, 0.2, -0.5], scale: 2});
  assert.equal(scale, 2);
  // The point (0.1, 0.2, -0.5) lies at (0.1, -0.5, -0.2) with Y up, and comes to the origin.
  assert.deepEqual([0.1, -0.5, -0.2].map((p, k) => Math.abs(p * scale + (move[k] ?? 0)) < 1e-12), [true, true, true]);
  assert.deepEqual(between({origin: [1, 2, 3], scale: 2}, {origin: [1, 2, 3], scale: 2}), {scale: 1, move: [0, 0, -0]});
});
