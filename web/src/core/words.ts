// The language of the page: one table of words per language, of which one is loaded.
// Its first half comes with the page, its second with the first part of the page that is loaded later.
import type {en} from '../words/en.js';
import type {enMore} from '../words/en_more.js';

export type Words = typeof en;
export type More = typeof enMore;
export type Language = 'en' | 'de';

export const LANGUAGES: Readonly<Record<Language, string>> = {en: 'English', de: 'Deutsch'};  // as each calls itself
const LOCALES: Readonly<Record<Language, string>> = {en: 'en-GB', de: 'de-DE'};
const KEY = 'espalier.language';

/** The table in use; set before anything that is shown is loaded. */
export let words: Words;
/** For what is loaded with `later`. */
export let more: More;
let loadMore: () => Promise<More>;
export let language: Language = 'en';
/** How numbers and dates are written. */
export let locale = LOCALES.en;

export function speak(next: Language, table: Words, rest: () => Promise<More>): void {
  language = next;
  words = table;
  loadMore = rest;
  locale = LOCALES[next];
}

/** A part of the page that is loaded when it is needed, after its words. */
export async function later<T>(load: () => Promise<T>): Promise<T> {
  more ??= await loadMore();
  return load();
}

function isLanguage(value: string): value is Language {
  return Object.hasOwn(LANGUAGES, value);
}

/** The first of the browser's languages that there is; English when there is none. */
export function bestLanguage(wanted: readonly string[]): Language {
  return wanted.map((tag) => tag.toLowerCase().split('-')[0] ?? '').find(isLanguage) ?? 'en';
}

/** What was chosen by hand, else what the browser wants. */
export function preferredLanguage(): Language {
  let kept = '';
  try {
    kept = localStorage.getItem(KEY) ?? '';
  } catch {
    // Forbidden: the browser's language it is.
  }
  return isLanguage(kept) ? kept : bestLanguage(navigator.languages);
}

/** The page is loaded again in another language; what is on it is kept. */
export function switchLanguage(next: Language): void {
  try {
    localStorage.setItem(KEY, next);
  } catch {
    return;
  }
  location.reload();
}
