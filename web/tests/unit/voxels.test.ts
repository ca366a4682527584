import assert from 'node:assert/strict';
import {test} from 'node:test';
import {occupiedIn, surfaceOf} from '../../src/core/voxels.js';

/** A file as the server writes it. */
function file(positions: readonly number[], side = 4, count = positions.length / 3): ArrayBuffer {
  const head = `ply\nformat binary_little_endian 1.0\ncomment occupied voxels of a grid of ${side}, Z up, after step 2 of 12\nelement vertex ${count}\n` +
    'property uchar x\nproperty uchar y\nproperty uchar z\nend_header\n';
  return Uint8Array.from([...Buffer.from(head, 'latin1'), ...positions]).buffer;
}

test('a structure is read as it was written', () => {
  const read = occupiedIn(file([0, 1, 2, 3, 3, 3]));
  assert.equal(read?.side, 4);
  assert.deepEqual([...read?.positions ?? []], [0, 1, 2, 3, 3, 3]);
});

test('what is no structure is none', () => {
  for (const wrong of [file([0, 1, 4]), file([0, 1, 2], 4, 2), file([0, 1, 2], 0), file([0, 1, 2], 300), file([]), new ArrayBuffer(0),
    Uint8Array.from(Buffer.from('ply\nend_header\n')).buffer]) assert.equal(occupiedIn(wrong), null);
});

test('what other voxels hide is left out', () => {
  const all: number[] = [];
  for (let x = 0; x < 3; ++x) for (let y = 0; y < 3; ++y) for (let z = 0; z < 3; ++z) all.push(x, y, z);
  const seen = surfaceOf({side: 4, positions: Uint8Array.from(all)});
  assert.equal(seen.positions.length / 3, 26, 'the one in the middle is hidden');
  assert.equal(surfaceOf({side: 3, positions: Uint8Array.from(all)}).positions.length / 3, 26, 'the edge of the grid hides nothing');
});
