/** Where an asset stands in a file: the point of its own frame (Z up) at the file's origin, and the scale. */
export interface Placement {
  origin: readonly [number, number, number];
  scale: number;
}

export const IN_PLACE: Placement = {origin: [0, 0, 0], scale: 1};

/** Reads "origin 0 0 -0.45, scale 1.8", as the program's files have it; in place for anything else. */
export function placementIn(text: unknown): Placement {
  const number = '(-?[0-9.]+(?:e[-+]?[0-9]+)?)';
  const found = typeof text === 'string' ? new RegExp(`origin ${number} ${number} ${number}, scale ${number}`).exec(text) : null;
  if (!found) return IN_PLACE;
  const [x, y, z, scale] = found.slice(1).map(Number);
  const all = [x, y, z, scale];
  if (!all.every((value) => value !== undefined && Number.isFinite(value)) || !scale) return IN_PLACE;
  return {origin: [x ?? 0, y ?? 0, z ?? 0], scale};
}

/** What brings a point of a file, Y up, to where it is in another file of the same asset: p * scale + move. */
export function between(from: Placement, to: Placement): {scale: number; move: [number, number, number]} {
  const [x, y, z] = [0, 1, 2].map((k) => ((from.origin[k] ?? 0) - (to.origin[k] ?? 0)) * to.scale);
  return {scale: to.scale / from.scale, move: [x ?? 0, z ?? 0, -(y ?? 0)]};
}
