// The phases of a job, as the server assigns its stages to them, in their order.
import type {Progress} from '../api/types.js';
import {capitalised} from './format.js';
import {more} from './words.js';

export const PHASES = ['input', 'structure', 'detail', 'mesh', 'finish'] as const;
export type Phase = (typeof PHASES)[number];

export function titleOf(phase: Phase): string {
  return more.progress.phases[phase];
}

/** Null for a phase of a newer server. */
export function phaseOf(name: string): Phase | null {
  return PHASES.find((phase) => phase === name) ?? null;
}

/** What a job does now, in the page's words; a stage of a newer server in the server's. */
export function stageTitle({stage, title}: Progress): string {
  return Object.entries(more.stages).find(([id]) => id === stage)?.[1] ?? capitalised(title);
}
