import assert from 'node:assert/strict';
import {test} from 'node:test';
import './english.js';
import {Mask} from '../../src/core/mask.js';

const full = (width: number, height: number): Mask => new Mask(width, height, new Uint8ClampedArray(width * height).fill(255));
const kept = (mask: Mask): number => mask.alpha.filter((value) => value > 127).length;

test('strokes cover what is near their line, with a soft edge, and are undone one by one', () => {
  const mask = full(40, 30);
  mask.begin();
  mask.stroke({x: 10, y: 15}, {x: 30, y: 15}, 4, 0);
  assert.equal(mask.alpha[15 * 40 + 20], 0);
  assert.equal(mask.alpha[15 * 40 + 7], 0, 'its ends are round');
  assert.equal(mask.alpha[5 * 40 + 20], 255);
  assert.ok(mask.alpha.some((value) => value > 0 && value < 255));
  const after = kept(mask);
  assert.ok(Math.abs(40 * 30 - after - (20 * 8 + Math.PI * 16)) < 12, `${after} pixels are left`);
  mask.begin();
  mask.stroke({x: 20, y: 15}, {x: 20, y: 15}, 3, 255);
  assert.ok(kept(mask) > after);
  mask.undo();
  assert.equal(kept(mask), after);
  mask.undo();
  assert.equal(kept(mask), 1200);
  assert.equal(mask.canUndo, false);
  mask.undo();
  assert.equal(kept(mask), 1200, 'there is nothing more to undo');
});

test('rectangles add and erase, whichever corner comes first, and do not reach beyond the image', () => {
  const mask = full(10, 10);
  mask.rectangle({x: 8, y: 7}, {x: 2, y: 3}, 0);
  assert.equal(kept(mask), 100 - 6 * 4);
  mask.rectangle({x: -5, y: -5}, {x: 50, y: 50}, 255);
  assert.equal(kept(mask), 100);
});

test('a crop keeps the inside as it is', () => {
  const mask = full(10, 8);
  mask.rectangle({x: 4, y: 4}, {x: 5, y: 5}, 0);
  mask.begin();
  mask.crop({x: 3, y: 2}, {x: 7, y: 6});
  assert.equal(kept(mask), 4 * 4 - 1);
  assert.equal(mask.alpha[0], 0);
  mask.undo();
  assert.equal(kept(mask), 79);
  mask.crop({x: 20, y: 20}, {x: 30, y: 30});
  assert.equal(mask.empty, true);
  mask.reset();
  assert.equal(kept(mask), 80);
});

test('a fill takes what is linked by similar colours, within the tolerance', () => {
  const colours = new Uint8ClampedArray(6 * 3 * 4);
  // Columns 0 to 2 get brighter by 10, column 3 is a wall, 4 and 5 are as column 0.
  for (let y = 0; y < 3; ++y) for (let x = 0; x < 6; ++x) colours.fill([100, 110, 120, 255, 100, 100][x] ?? 0, (y * 6 + x) * 4, (y * 6 + x) * 4 + 3);
  const mask = full(6, 3);
  mask.fill(colours, {x: 0.4, y: 1.2}, 9, 0);
  assert.equal(kept(mask), 18 - 3);
  mask.fill(colours, {x: 0, y: 0}, 20, 0);
  assert.equal(kept(mask), 18 - 9, 'the wall stops it');
  mask.fill(colours, {x: -3, y: 0}, 255, 0);
  assert.equal(kept(mask), 9, 'outside there is nothing');
});
