// What is on the page and not on the server yet, kept in the browser over a reload.
import type {Background} from '../api/types.js';

export interface Draft {
  files: File[];
  backgrounds: Background[];
  masks: (Blob | null)[];  // made by hand, one for each file
  several: 'views' | 'each';
}

const NAME = 'espalier-studio';
const STORE = 'drafts';
const KEY = 'pictures';  // as it was from the first version on, so that drafts stay readable
const SETTINGS = 'espalier.settings';
const MINE = 'espalier.mine';
const SETS = 'espalier.sets';
const MOST_OWN = 200;
const MOST_SETS = 40;

function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the browser keeps no data'));
  });
}

async function inStore<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | null> {
  try {
    const db = await database();
    return await new Promise<T>((resolve, reject) => {
      const request = work(db.transaction(STORE, mode).objectStore(STORE));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error('the browser keeps no data'));
    }).finally(() => db.close());
  } catch {
    return null;  // a private window, for example: the page works without
  }
}

export async function keepDraft(draft: Draft | null): Promise<void> {
  await (draft ? inStore('readwrite', (store) => store.put(draft, KEY)) : inStore('readwrite', (store) => store.delete(KEY)));
}

export async function keptDraft(): Promise<Draft | null> {
  const draft = await inStore<Draft | undefined>('readonly', (store) => store.get(KEY) as IDBRequest<Draft | undefined>);
  if (!draft || !Array.isArray(draft.files) || !draft.files.every((file) => file instanceof File)) return null;
  const masks: unknown[] = Array.isArray(draft.masks) ? draft.masks : [];  // those of an older page have none
  return {...draft, masks: draft.files.map((_, i) => (masks[i] instanceof Blob ? masks[i] : null))};
}

function read<T>(key: string, fallback: T): T {
  try {
    return (JSON.parse(localStorage.getItem(key) ?? 'null') as T | null) ?? fallback;
  } catch {
    return fallback;
  }
}

function write(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Full or forbidden: nothing is kept.
  }
}

export function keepSettings(settings: object): void {
  write(SETTINGS, settings);
}

/** What was kept, laid over `start`: only what is of the kind that stands there. */
export function keptSettings<T extends object>(start: T): T | null {
  const kept = read<Record<string, unknown> | null>(SETTINGS, null);
  if (!kept || typeof kept !== 'object') return null;
  return laidOver(start, kept);
}

/** `start` with what is of the kind that stands there. */
export function laidOver<T extends object>(start: T, kept: Record<string, unknown>): T {
  const merged = {...start} as Record<string, unknown>;
  for (const [key, value] of Object.entries(start)) {
    const given = kept[key];
    if (Array.isArray(value)) {
      if (Array.isArray(given)) merged[key] = given;
    } else if (typeof value === 'object' && value !== null) {
      if (typeof given === 'object' && given !== null) merged[key] = laidOver(value as object, given as Record<string, unknown>);
    } else if (typeof given === typeof value) {
      merged[key] = given;
    }
  }
  return merged as T;
}

/** Jobs that this browser has started, of which the page may show one by itself. */
export function isMine(job: string): boolean {
  return read<string[]>(MINE, []).includes(job);
}

export function nowMine(job: string): void {
  write(MINE, [...read<string[]>(MINE, []).filter((id) => id !== job), job].slice(-MOST_OWN));
}

/** Jobs that were started together, to choose one of them. */
export function keepSet(jobs: readonly string[]): void {
  write(SETS, [...read<string[][]>(SETS, []), jobs].slice(-MOST_SETS));
}

/** What a job was started together with, itself among them. */
export function setOf(job: string): readonly string[] {
  const sets = read<unknown>(SETS, []);
  const found: unknown = Array.isArray(sets) ? sets.find((set) => Array.isArray(set) && set.includes(job)) : undefined;
  return Array.isArray(found) ? found.map(String) : [];
}

const LOOK = 'espalier.look';

export function keepLook(look: object): void {
  write(LOOK, look);
}

/** How the viewer was lit when it was last used; null where nothing was changed. */
export function keptLook<T extends object>(start: T): T | null {
  const kept = read<Record<string, unknown> | null>(LOOK, null);
  return kept && typeof kept === 'object' ? laidOver(start, kept) : null;
}
