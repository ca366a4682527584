// Small helpers to build elements. Text is always set as text, never parsed.

type Child = Node | string | null | undefined | false;
type Handler = (event: never) => void;
type Value = string | number | boolean | null | undefined | Handler;

/** An element: attributes by name, listeners as onName, `class` and `text` as one expects; false and null are left out. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Record<string, Value> = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else if (name === 'text') element.textContent = String(value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

let serial = 0;
/** An id for a label and its control. */
export function uniqueId(prefix: string): string {
  return `${prefix}-${++serial}`;
}

const SVG = 'http://www.w3.org/2000/svg';

/** Paths in a 20 x 20 box, drawn as lines. */
const ICONS = {
  after: 'M7.5 4.5L13 10l-5.5 5.5',
  before: 'M12.5 4.5L7 10l5.5 5.5',
  camera: 'M3 6.5h3l1.3-2h5.4l1.3 2h3v9H3zM10 13.5a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6z',
  close: 'M5 5l10 10M15 5L5 15',
  compare: 'M3 4h14v12H3zM10 4v12',
  dice: 'M4 4h12v12H4zM7.2 7.2h.01M12.8 7.2h.01M10 10h.01M7.2 12.8h.01M12.8 12.8h.01',
  frame: 'M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4',
  full: 'M8 3H3v5M12 17h5v-5M3 3l5.5 5.5M17 17l-5.5-5.5',
  grid: 'M3 3h14v14H3zM3 7.7h14M3 12.3h14M7.7 3v14M12.3 3v14',
  list: 'M3 5h14M3 10h14M3 15h14',
  open: 'M4 10h11M11 5.5l4.5 4.5-4.5 4.5',
  image: 'M3 4h14v12H3zM3 13.5l4-4 3.5 3.5 2.5-2.5 4 4M13 8h.01',
  repeat: 'M4 9a6 6 0 0 1 10.5-3L17 8M17 4v4h-4M16 11a6 6 0 0 1-10.5 3L3 12M3 16v-4h4',
  tick: 'M4 10.5l4 4 8-9',
  trash: 'M4 6h12M8 6V4h4v2M5.5 6l.7 11h7.6l.7-11M8.5 9v5M11.5 9v5',
  warning: 'M10 3.5l7.5 13h-15zM10 8.5v4M10 14.5h.01',
} as const;
/** One of these, or a path within 20 by 20 of a part that is loaded later (icons_later.ts). */
export type IconName = keyof typeof ICONS | `M${string}`;

export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', name in ICONS ? ICONS[name as keyof typeof ICONS] : name);
  svg.append(path);
  return svg;
}

interface ButtonOptions {
  label: string;
  icon?: IconName;
  class?: string;
  iconOnly?: boolean;
  onclick: (event: MouseEvent) => void;
}

export function button(options: ButtonOptions): HTMLButtonElement {
  const element = h('button', {type: 'button', class: options.class ?? 'button', onclick: options.onclick as Handler});
  if (options.icon) element.append(icon(options.icon));
  if (options.iconOnly) {
    element.setAttribute('aria-label', options.label);
    element.title = options.label;
  } else {
    element.append(h('span', {text: options.label}));
  }
  return element;
}

export interface Choice<T extends string> {
  value: T;
  label: string;
  title?: string;
}

export interface Segmented<T extends string> {
  element: HTMLFieldSetElement;
  set(value: T): void;
  enable(value: T, enabled: boolean, why?: string): void;
}

/** Radio buttons that look like one bar; arrows move between them. */
export function segmented<T extends string>(legend: string, choices: readonly Choice<T>[], value: T, onchange: (value: T) => void, visibleLegend = true): Segmented<T> {
  const name = uniqueId('choice');
  const inputs = new Map<T, HTMLInputElement>();
  const bar = h('div', {class: 'segments'});
  for (const choice of choices) {
    const input = h('input', {type: 'radio', name, value: choice.value, checked: choice.value === value, onchange: () => onchange(choice.value)});
    inputs.set(choice.value, input);
    bar.append(h('label', {class: 'segment', title: choice.title}, input, h('span', {text: choice.label})));
  }
  const element = h('fieldset', {class: 'segmented'}, h('legend', {class: visibleLegend ? 'label' : 'hidden', text: legend}), bar);
  return {
    element,
    set(next) {
      const input = inputs.get(next);
      if (input) input.checked = true;
    },
    enable(which, enabled, why = '') {
      const input = inputs.get(which);
      if (!input) return;
      input.disabled = !enabled;
      const label = input.parentElement;
      if (!label) return;
      label.classList.toggle('disabled', !enabled);
      label.title = enabled ? choices.find((choice) => choice.value === which)?.title ?? '' : why;
    },
  };
}

/** Whether the user asked the system for less motion. */
export function prefersStillness(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

/** Object URLs that are taken back together. */
export class ObjectUrls {
  private readonly urls: string[] = [];
  of(blob: Blob): string {
    const url = URL.createObjectURL(blob);
    this.urls.push(url);
    return url;
  }
  clear(): void {
    for (const url of this.urls.splice(0)) URL.revokeObjectURL(url);
  }
}

/** Gives the memory behind an address of URL.createObjectURL back; what is being loaded from there still arrives. */
export function takeBack(url: string): void {
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = h('a', {href: url, download: name});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/** Whether a key that is pressed there is a letter of a text. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input:not([type="radio"], [type="checkbox"], [type="range"]), textarea, select'));
}
