// What of the gallery is shown, and in which order.
import {isFinal, type Job} from '../api/types.js';

export const SORTS = ['newest', 'oldest', 'name', 'faces', 'bytes'] as const;
export type Sort = (typeof SORTS)[number];
export const FILTERS = ['all', 'done', 'active', 'ended', 'pinned'] as const;
export type Filter = (typeof FILTERS)[number];

export interface Arrangement {
  search: string;
  sort: Sort;
  filter: Filter;
}

export function bytesOf(job: Job): number {
  return job.files.reduce((sum, file) => sum + file.bytes, 0);
}

function passes(job: Job, filter: Filter): boolean {
  switch (filter) {
    case 'all': return true;
    case 'done': return job.state === 'done';
    case 'active': return !isFinal(job.state);
    case 'ended': return job.state === 'failed' || job.state === 'cancelled';
    case 'pinned': return job.pinned;
  }
}

/** Letters without case and marks, for comparing. */
function folded(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

function newer(a: Job, b: Job): number {
  if (a.created !== b.created) return a.created < b.created ? 1 : -1;
  return a.id < b.id ? 1 : -1;
}

const names = new Intl.Collator(undefined, {numeric: true, sensitivity: 'base'});

const ORDERS: Readonly<Record<Sort, (a: Job, b: Job) => number>> = {
  newest: newer,
  oldest: (a, b) => newer(b, a),
  name: (a, b) => names.compare(a.name, b.name) || newer(a, b),
  faces: (a, b) => (b.report?.faces ?? 0) - (a.report?.faces ?? 0) || newer(a, b),
  bytes: (a, b) => bytesOf(b) - bytesOf(a) || newer(a, b),
};

/** Every word of the search is in the name, the prompt, or is the seed. */
export function arranged(jobs: readonly Job[], {search, sort, filter}: Arrangement): Job[] {
  const wanted = folded(search).split(/\s+/).filter(Boolean);
  return jobs.filter((job) => {
    if (!passes(job, filter)) return false;
    if (wanted.length === 0) return true;
    const text = folded(`${job.name} ${job.options.prompt ?? ''}`);
    return wanted.every((word) => text.includes(word) || word === String(job.options.seed ?? ''));
  }).sort(ORDERS[sort]);
}
