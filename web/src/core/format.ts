// Numbers as people read them.
import {locale, words} from './words.js';

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

// Making one takes a hundred times as long as using it, and lists use many.
const numbers = new Map<string, Intl.NumberFormat>();
const dates = new Map<string, Intl.DateTimeFormat>();

/** `digits` behind the point; null: a whole number in groups. */
function numbersOf(digits: number | null): Intl.NumberFormat {
  const key = `${locale} ${digits}`;
  const format = numbers.get(key) ?? new Intl.NumberFormat(locale, digits === null ? {} : {minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false});
  numbers.set(key, format);
  return format;
}

function datesOf(): Intl.DateTimeFormat {
  const format = dates.get(locale) ?? new Intl.DateTimeFormat(locale, {day: 'numeric', month: 'short', year: 'numeric'});
  dates.set(locale, format);
  return format;
}

/** 1234567 -> "1.2 MB" */
export function bytes(n: number): string {
  let value = n;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    ++unit;
  }
  const text = unit === 0 || value >= 100 ? String(Math.round(value)) : decimal(value, 1);
  return `${text} ${UNITS[unit] ?? ''}`;
}

/** 17950 -> "17,950" */
export function count(n: number): string {
  return numbersOf(null).format(Math.round(n));
}

/** 1.5 with two digits -> "1.50" */
export function decimal(value: number, digits: number): string {
  return numbersOf(digits).format(value);
}

/** Seconds -> "8 s", "2 min 05 s", "1 h 02 min" */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return words.time.seconds(s);
  if (s < 3600) return words.time.minutes(Math.floor(s / 60), pad(s % 60));
  return words.time.hours(Math.floor(s / 3600), pad(Math.floor((s % 3600) / 60)));
}

function pad(n: number): string {
  return String(n).padStart(2, '0');
}

/** Metres -> "38 cm", "1.20 m", "4 mm" */
export function metres(m: number): string {
  if (m >= 1) return `${decimal(m, 2)} m`;
  if (m >= 0.01) return `${decimal(m * 100, m >= 0.1 ? 0 : 1)} cm`;
  return `${decimal(m * 1000, 1)} mm`;
}

/** How long ago a moment was: "just now", "5 min ago", "3 h ago", else the date. */
export function ago(iso: string, now: number): string {
  const then = Date.parse(iso);
  if (Number.isNaN(then)) return '';
  const minutes = Math.floor((now - then) / 60000);
  if (minutes < 1) return words.time.now;
  if (minutes < 60) return words.time.minutesAgo(minutes);
  if (minutes < 24 * 60) return words.time.hoursAgo(Math.floor(minutes / 60));
  return datesOf().format(then);
}

/** As the beginning of a sentence; a file's name in front stays as it is. */
export function capitalised(text: string): string {
  return /^[^:]+\.\w+: /.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

/** A file's name without folder and ending, for the name of a job: "front view.jpg" -> "front view" */
export function stem(name: string): string {
  const base = name.split(/[\\/]/).pop() ?? name;
  return base.replace(/\.[A-Za-z0-9]{1,11}$/, '') || base || 'asset';
}

/** A name as the beginning of a file's name: without what file systems refuse. */
export function fileName(name: string): string {
  const clean = name.replace(/[\u0000-\u001f\u007f<>:"/\\|?*]+/g, '_').replace(/^[. ]+|[. ]+$/g, '');
  return clean.slice(0, 80) || 'asset';
}
