// What is on the page and not on the server yet, kept in the browser over a reload.
import type {Background} from '../api/types.js';

export interface Draft {
  files: File[];
  backgrounds: Background[];
  several: 'views' | 'each';
}

const NAME = 'espalier-studio';
const STORE = 'drafts';
const KEY = 'pictures';
const SETTINGS = 'espalier.settings';
const MINE = 'espalier.mine';
const MOST_OWN = 200;

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
  return draft && Array.isArray(draft.files) && draft.files.every((file) => file instanceof File) ? draft : null;
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

function laidOver<T extends object>(start: T, kept: Record<string, unknown>): T {
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
