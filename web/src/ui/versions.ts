import type {Client} from '../api/client.js';
import {isFinal, type Job} from '../api/types.js';
import {button, h} from '../core/dom.js';
import {capitalised, count} from '../core/format.js';
import {type Change, changes} from '../core/changes.js';
import {mapsOf} from '../core/formats.js';
import {locale, more, words} from '../core/words.js';
import {Thumbnails} from './thumbnails.js';
import {PENCIL} from '../core/icons_later.js';

export interface VersionActions {
  open(job: Job): void;
  rename(job: Job): void;
  compare(one: Job, other: Job): void;
}

function said(change: Change): string {
  const text = more.versions;
  switch (change.what) {
    case 'seed': return text.seed(change.value);
    case 'faces': return text.faces(count(change.value));
    case 'texture': return text.texture(change.value);
    case 'steps': return text.steps(change.value.join(' + '));
    case 'guidance': return text.guidance(change.value.map((value) => value.toLocaleString(locale)).join(', '));
    case 'model': return change.value;
    case 'maps': return text.maps(mapsOf(change.value));
    case 'delit': return text.delit(change.value.toLocaleString(locale));
    default: return text[change.what];
  }
}

/** The versions of the asset in view: what is different in each, their names, and comparing one with what is in view. */
export class Versions {
  readonly element = h('section', {class: 'versions', hidden: true});
  private readonly list = h('ul', {});
  private readonly thumbnails;
  private shown = '';

  constructor(client: Client, private readonly actions: VersionActions) {
    this.thumbnails = new Thumbnails(client);
    const title = h('h3', {text: more.versions.title});
    this.element.append(title, this.list);
  }

  show(current: Job, versions: readonly Job[]): void {
    const key = JSON.stringify([current.id, versions.map(({id, name, state, files}) => [id, name, state, files.length])]);
    if (key === this.shown) return;
    this.shown = key;
    this.element.hidden = versions.length < 2;
    const focused = this.list.contains(document.activeElement) ? document.activeElement?.closest('li')?.dataset['job'] : undefined;
    this.thumbnails.clear();
    const first = versions.at(-1);
    this.list.replaceChildren(...(versions.length < 2 || !first ? [] : versions.map((job) => this.row(job, current, first))));
    if (focused) this.list.querySelector<HTMLElement>(`[data-job="${CSS.escape(focused)}"] button`)?.focus();
  }

  private row(job: Job, current: Job, first: Job): HTMLElement {
    const place = h('span', {class: 'thumbnail'});
    this.thumbnails.show(place, job);
    const different = job.id === first.id ? [more.versions.first] : changes(job, first).map(said);
    const state = words.gallery.states[job.state];
    const about = capitalised([...(state ? [state] : []), ...(different.length > 0 ? different : [more.versions.same])].join(', '));
    const open = h('button', {type: 'button', class: 'version-open', onclick: () => this.actions.open(job)}, place,
      h('span', {class: 'version-text'}, h('span', {class: 'card-name', dir: 'auto', text: job.name}), h('span', {class: 'hint', text: about})));
    if (job.id === current.id) open.setAttribute('aria-current', 'true');
    const compare = button({label: more.versions.compare(job.name), icon: 'compare', iconOnly: true, class: 'button quiet small', onclick: () => this.actions.compare(current, job)});
    compare.disabled = job.id === current.id || job.state !== 'done' || current.state !== 'done';
    const rename = button({label: more.versions.rename(job.name), icon: PENCIL, iconOnly: true, class: 'button quiet small', onclick: () => this.actions.rename(job)});
    rename.disabled = !isFinal(job.state);
    return h('li', {class: 'version', 'data-job': job.id}, open, compare, rename);
  }
}
