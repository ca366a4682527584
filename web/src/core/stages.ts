// The stages of a job as a few phases that a person can follow.

export const PHASES = ['Picture', 'Structure', 'Detail', 'Mesh', 'Finish'] as const;
export type Phase = (typeof PHASES)[number];

const SIGNS: readonly (readonly [RegExp, Phase])[] = [
  [/picture|image|cut/i, 'Picture'],
  [/sparse structure/i, 'Structure'],
  [/structured latent|gaussian|radiance/i, 'Detail'],
  [/decoding the mesh|surface/i, 'Mesh'],
  [/clean|simplif|unwrap|bak|textur|writ|sav|thumbnail|turntable|project/i, 'Finish'],
];

/** Which phase a stage of the server belongs to; null for one that is not known. */
export function phaseOf(stage: string): Phase | null {
  // "projecting the picture" and the like finish a mesh: the later phase wins where both match.
  for (let i = SIGNS.length - 1; i >= 0; --i) {
    const sign = SIGNS[i];
    if (sign && sign[0].test(stage)) return sign[1];
  }
  return null;
}
