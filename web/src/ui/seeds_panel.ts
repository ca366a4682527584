import '../style/seeds.css';
import type {Client} from '../api/client.js';
import {isFinal, type Job} from '../api/types.js';
import {button, h} from '../core/dom.js';
import {more, words} from '../core/words.js';
import {Thumbnails} from './thumbnails.js';

export interface SeedActions {
  open(job: Job): void;
  /** Asks, then deletes what was not chosen. */
  keep(job: Job, others: readonly Job[]): void;
}

/** Results of several seeds beside each other, to choose from. */
export class SeedsPanel {
  private readonly list = h('ul', {class: 'seeds'});
  private readonly keep: HTMLButtonElement;
  private readonly thumbnails;
  private readonly tiles = new Map<string, {element: HTMLElement; open: HTMLButtonElement; place: HTMLElement; state: HTMLElement}>();
  private jobs: readonly Job[] = [];
  private current: Job | null = null;

  constructor(readonly element: HTMLElement, client: Client, private readonly actions: SeedActions) {
    this.thumbnails = new Thumbnails(client);
    this.keep = button({label: more.seeds.keep, icon: 'tick', class: 'button small', onclick: () => {
      if (this.current) this.actions.keep(this.current, this.jobs.filter((job) => job !== this.current));
    }});
    element.append(h('div', {class: 'seeds-head'}, h('h2', {text: more.seeds.title}), h('p', {class: 'hint', text: more.seeds.hint}), this.keep), this.list);
  }

  show(jobs: readonly Job[], current: string | null): void {
    this.jobs = jobs;
    this.current = jobs.find(({id}) => id === current) ?? null;
    this.element.hidden = this.current === null || jobs.length < 2;
    for (const [id, {element, place}] of this.tiles) {
      if (jobs.some((job) => job.id === id)) continue;
      this.thumbnails.drop(place);
      element.remove();
      this.tiles.delete(id);
    }
    for (const job of jobs) this.fill(job, current);
    this.keep.disabled = this.current?.state !== 'done';
  }

  private fill(job: Job, current: string | null): void {
    const tile = this.tiles.get(job.id) ?? this.newTile(job);
    const percent = job.state === 'running' ? ` ${Math.floor((job.progress?.fraction ?? 0) * 100)} %` : '';
    tile.state.textContent = words.gallery.states[job.state] + percent;
    if (job.id === current) tile.open.setAttribute('aria-current', 'true');
    else tile.open.removeAttribute('aria-current');
    if (isFinal(job.state) || tile.place.childElementCount === 0) this.thumbnails.show(tile.place, job);
  }

  private newTile(job: Job): {element: HTMLElement; open: HTMLButtonElement; place: HTMLElement; state: HTMLElement} {
    const place = h('span', {class: 'thumbnail'});
    const state = h('span', {class: 'card-when'});
    const open = h('button', {type: 'button', class: 'card-open', onclick: () => this.actions.open(this.jobs.find(({id}) => id === job.id) ?? job)}, place,
      h('span', {class: 'caption'}, h('span', {class: 'card-name', text: more.versions.seed(job.options.seed ?? 0)}), state));
    const element = h('li', {'data-job': job.id}, open);
    this.list.append(element);
    const tile = {element, open, place, state};
    this.tiles.set(job.id, tile);
    return tile;
  }
}
