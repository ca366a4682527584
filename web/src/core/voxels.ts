// The occupied voxels of a structure that is still being sampled, as the server writes them.

export interface Occupied {
  side: number;         // of the grid
  positions: Uint8Array;  // x, y, z of each, Z up
}

/** Reads a PLY of three bytes for each point; null for anything else. */
export function occupiedIn(file: ArrayBuffer): Occupied | null {
  const head = new TextDecoder('latin1').decode(file.slice(0, 1024));
  const end = head.indexOf('end_header\n');
  const side = Number(/a grid of (\d+)/.exec(head)?.[1]);
  const count = Number(/element vertex (\d+)\nproperty uchar x\nproperty uchar y\nproperty uchar z\nend_header/.exec(head)?.[1]);
  const begin = end + 'end_header\n'.length;
  if (end < 0 || !(side >= 1 && side <= 256) || !(count >= 1) || begin + 3 * count !== file.byteLength) return null;
  const positions = new Uint8Array(file, begin);
  return positions.every((value) => value < side) ? {side, positions} : null;
}

/** Those with a side that is seen from somewhere: some neighbour is free. */
export function surfaceOf({side, positions}: Occupied): Occupied {
  const cells = new Uint8Array(side ** 3);
  const at = (x: number, y: number, z: number): number => (x * side + y) * side + z;
  for (let i = 0; i < positions.length; i += 3) cells[at(positions[i] ?? 0, positions[i + 1] ?? 0, positions[i + 2] ?? 0)] = 1;
  const taken = (x: number, y: number, z: number): boolean =>
    x >= 0 && y >= 0 && z >= 0 && x < side && y < side && z < side && cells[at(x, y, z)] === 1;
  const seen: number[] = [];
  for (let i = 0; i < positions.length; i += 3) {
    const [x, y, z] = [positions[i] ?? 0, positions[i + 1] ?? 0, positions[i + 2] ?? 0];
    const inside = taken(x - 1, y, z) && taken(x + 1, y, z) && taken(x, y - 1, z) && taken(x, y + 1, z) && taken(x, y, z - 1) && taken(x, y, z + 1);
    if (!inside) seen.push(x, y, z);
  }
  return {side, positions: Uint8Array.from(seen)};
}
