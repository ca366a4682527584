import {h, uniqueId} from '../core/dom.js';

export interface Field<T> {
  element: HTMLElement;
  get(): T;
  set(value: T): void;
  enable(enabled: boolean): void;
}

interface NumberOptions {
  label: string;
  min: number;
  max: number;
  step: number;
  slider?: number;  // a slider from min to here, which is what people usually want; more can be typed
  hint?: string;
  unit?: string;
  whole?: boolean;
  onchange?: () => void;
}

/** A number, with a slider where that helps. What is typed is brought into the range when the field is left. */
export function numberField(options: NumberOptions, value: number): Field<number> {
  const id = uniqueId('number');
  let current = value;
  const hint = options.hint ? h('p', {class: 'hint', id: `${id}-hint`, text: options.hint}) : null;
  const input = h('input', {id, type: 'number', inputmode: options.whole ? 'numeric' : 'decimal', min: options.min, max: options.max,
    step: options.whole ? options.step : 'any', value, 'aria-describedby': hint ? hint.id : null});
  const range = options.slider ? h('input', {type: 'range', min: options.min, max: Math.min(options.slider, options.max), step: options.step, value, 'aria-label': options.label}) : null;
  const take = (text: string): void => {
    const parsed = Number(text);
    if (text.trim() === '' || !Number.isFinite(parsed)) return;
    const clamped = Math.min(Math.max(parsed, options.min), options.max);
    current = options.whole ? Math.round(clamped) : clamped;
    options.onchange?.();
  };
  input.addEventListener('input', () => {
    take(input.value);
    if (range) range.value = String(current);
  });
  input.addEventListener('change', () => {
    input.value = String(current);
  });
  range?.addEventListener('input', () => {
    take(range.value);
    input.value = String(current);
  });
  const element = h('div', {class: 'field number'},
    h('div', {class: 'field-head'}, h('label', {for: id, class: 'label', text: options.label}),
      h('span', {class: 'with-unit'}, input, options.unit ? h('span', {class: 'unit', text: options.unit}) : null)),
    range, hint);
  return {
    element,
    get: () => current,
    set(next) {
      current = next;
      input.value = String(next);
      if (range) range.value = String(next);
    },
    enable(enabled) {
      input.disabled = !enabled;
      if (range) range.disabled = !enabled;
      element.classList.toggle('disabled', !enabled);
    },
  };
}

/** A box to tick. */
export function checkField(label: string, value: boolean, hint = '', onchange: () => void = () => undefined): Field<boolean> {
  const id = uniqueId('check');
  const input = h('input', {id, type: 'checkbox', checked: value, onchange, 'aria-describedby': hint ? `${id}-hint` : null});
  const element = h('div', {class: 'field check'}, input,
    h('div', {}, h('label', {for: id, text: label}), hint ? h('p', {id: `${id}-hint`, class: 'hint', text: hint}) : null));
  return {
    element,
    get: () => input.checked,
    set(next) {
      input.checked = next;
    },
    enable(enabled) {
      input.disabled = !enabled;
      element.classList.toggle('disabled', !enabled);
    },
  };
}

/** One of a list. */
export function selectField<T extends string>(label: string, choices: readonly {value: T; label: string}[], value: T, onchange: () => void = () => undefined): Field<T> {
  const id = uniqueId('select');
  const select = h('select', {id, onchange});
  for (const choice of choices) select.append(h('option', {value: choice.value, text: choice.label, selected: choice.value === value}));
  const element = h('div', {class: 'field'}, h('div', {class: 'field-head'}, h('label', {for: id, class: 'label', text: label}), select));
  return {
    element,
    get: () => select.value as T,
    set(next) {
      select.value = next;
    },
    enable(enabled) {
      select.disabled = !enabled;
      element.classList.toggle('disabled', !enabled);
    },
  };
}
