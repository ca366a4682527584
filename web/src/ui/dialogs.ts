import '../style/dialogs.css';
import {h, uniqueId} from '../core/dom.js';
import {KEYS} from '../core/keys.js';
import {more, words} from '../core/words.js';

function open<T>(build: (close: (value: T) => void) => {form: HTMLFormElement; otherwise: T; wide?: boolean}): Promise<T> {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const dialog = h('dialog', {class: 'dialog'});
    let answer: T;
    const close = (value: T): void => {
      answer = value;
      dialog.close();
    };
    const {form, otherwise, wide = false} = build(close);
    dialog.classList.toggle('wide', wide);
    answer = otherwise;
    const title = form.querySelector('h2');
    if (title) dialog.setAttribute('aria-labelledby', title.id = uniqueId('title'));
    dialog.append(form);
    dialog.addEventListener('close', () => {
      dialog.remove();
      if (before instanceof HTMLElement) before.focus();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

export interface Question {
  title: string;
  text: string;
  yes: string;
  no?: string;
}

/** True when the user says yes. */
export function confirmed(question: Question): Promise<boolean> {
  return open<boolean>((close) => {
    const form = h('form', {method: 'dialog', class: 'stack', onsubmit: (event: Event) => {
      event.preventDefault();
      close(true);
    }},
    h('h2', {text: question.title}), h('p', {text: question.text}),
    h('div', {class: 'row end'},
      h('button', {type: 'button', class: 'button', text: question.no ?? more.dialogs.keep, autofocus: true, onclick: () => close(false)}),
      h('button', {type: 'submit', class: 'button danger', text: question.yes})));
    return {form, otherwise: false};
  });
}

/** What several images are; `each` when the question is closed without an answer, because nothing is lost by it. */
export function askSeveral(count: number): Promise<'views' | 'each'> {
  return open<'views' | 'each'>((close) => {
    const answer = (value: 'views' | 'each', title: string, text: string, autofocus: boolean): HTMLElement =>
      h('button', {type: 'button', class: 'button answer', autofocus, onclick: () => close(value)}, h('strong', {text: title}), h('span', {class: 'hint', text}));
    const form = h('form', {method: 'dialog', class: 'stack'}, h('h2', {text: more.dialogs.whatAre(count)}),
      answer('each', words.images.each, more.dialogs.eachText(count), true),
      answer('views', words.images.views, more.dialogs.viewsText, false));
    return {form, otherwise: 'each'};
  });
}

/** The sheet of what the keyboard does. */
export function showKeys(): Promise<void> {
  return open<void>((close) => {
    const form = h('form', {method: 'dialog', class: 'stack', onsubmit: (event: Event) => {
      event.preventDefault();
      close();
    }}, h('h2', {text: words.app.keys}),
    ...KEYS.flatMap(({title, rows}) => [h('h3', {text: title}),
      h('dl', {class: 'keys'}, ...rows.map(([keys, what]) => h('div', {}, h('dt', {}, h('kbd', {text: keys})), h('dd', {text: what}))))]),
    h('div', {class: 'row end'}, h('button', {type: 'submit', class: 'button', text: words.app.close, autofocus: true})));
    return {form, otherwise: undefined};
  });
}

/** A text, or null when the user gives up. */
export function askText(title: string, label: string, value: string): Promise<string | null> {
  return open<string | null>((close) => {
    const id = uniqueId('text');
    const input = h('input', {id, type: 'text', value, required: true, maxlength: 200, autofocus: true});
    const form = h('form', {method: 'dialog', class: 'stack', onsubmit: (event: Event) => {
      event.preventDefault();
      if (input.value.trim()) close(input.value.trim());
    }}, h('h2', {text: title}), h('label', {for: id, class: 'label', text: label}), input,
    h('div', {class: 'row end'},
      h('button', {type: 'button', class: 'button', text: more.dialogs.cancel, onclick: () => close(null)}),
      h('button', {type: 'submit', class: 'button primary', text: more.dialogs.rename})));
    return {form, otherwise: null};
  });
}

/** A text to be copied by hand. */
export function showText(title: string, text: string): Promise<void> {
  return open<void>((close) => {
    const area = h('textarea', {class: 'prompt', rows: 6, readonly: true, 'aria-label': title, autofocus: true});
    area.value = text;
    area.addEventListener('focus', () => area.select());
    const form = h('form', {method: 'dialog', class: 'stack'}, h('h2', {text: title}), area,
      h('div', {class: 'row end'}, h('button', {type: 'button', class: 'button', text: words.app.close, onclick: () => close()})));
    return {form, otherwise: undefined};
  });
}

/** An image and its cut-out, as large as the window allows. */
export function lookCloser(name: string, original: string, cutout: string): Promise<void> {
  return open<void>((close) => {
    const frame = (src: string, caption: string): HTMLElement => h('figure', {}, h('img', {class: 'checked', src, alt: caption}), h('figcaption', {class: 'hint', text: caption}));
    const form = h('form', {method: 'dialog', class: 'stack'}, h('h2', {text: name}),
      h('div', {class: 'closer'}, frame(original, words.images.input), frame(cutout, more.dialogs.cutoutCaption)),
      h('div', {class: 'row end'}, h('button', {type: 'button', class: 'button', text: words.app.close, autofocus: true, onclick: () => close()})));
    return {form, otherwise: undefined, wide: true};
  });
}

/** The server's key, or null. */
export function askForKey(refused: boolean): Promise<string | null> {
  return open<string | null>((close) => {
    const id = uniqueId('key');
    const input = h('input', {id, type: 'password', autocomplete: 'current-password', required: true, autofocus: true, 'aria-describedby': `${id}-hint`});
    const form = h('form', {method: 'dialog', class: 'stack', onsubmit: (event: Event) => {
      event.preventDefault();
      if (input.value.trim()) close(input.value.trim());
    }},
    h('h2', {text: more.dialogs.asksForKey}),
    refused ? h('p', {class: 'problem', role: 'alert', text: more.dialogs.keyRefused}) : null,
    h('label', {for: id, class: 'label', text: more.dialogs.key}), input,
    h('p', {id: `${id}-hint`, class: 'hint', text: more.dialogs.keyHint}),
    h('div', {class: 'row end'},
      h('button', {type: 'button', class: 'button', text: more.dialogs.notNow, onclick: () => close(null)}),
      h('button', {type: 'submit', class: 'button primary', text: more.dialogs.continue})));
    return {form, otherwise: null};
  });
}
