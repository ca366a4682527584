// The phases of a job, as the server assigns its stages to them, in their order.

export const PHASES = ['input', 'structure', 'detail', 'mesh', 'finish'] as const;
export type Phase = (typeof PHASES)[number];

const TITLES: Readonly<Record<Phase, string>> = {input: 'Image', structure: 'Structure', detail: 'Detail', mesh: 'Mesh', finish: 'Finish'};

export function titleOf(phase: Phase): string {
  return TITLES[phase];
}

/** Null for a phase of a newer server. */
export function phaseOf(name: string): Phase | null {
  return PHASES.find((phase) => phase === name) ?? null;
}
