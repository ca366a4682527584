import type {Client} from '../api/client.js';
import type {Job, Storage} from '../api/types.js';
import {button, h} from '../core/dom.js';
import {ago, bytes} from '../core/format.js';
import {words} from '../core/words.js';
import {Thumbnails} from './thumbnails.js';
import type {Turner} from './turner.js';

export interface GalleryActions {
  open(job: Job): void;
  remove(job: Job): void;
  more(): void;
  all(): void;
  queue(): void;
}

interface Card {
  element: HTMLElement;
  open: HTMLButtonElement;
  remove: HTMLButtonElement;
  place: HTMLElement;
  caption: HTMLElement;
  key: string;
}

function neighbour(card: HTMLElement): string {
  const next = card.nextElementSibling ?? card.previousElementSibling;
  return next instanceof HTMLElement ? next.dataset['job'] ?? '' : '';
}

/** The assets so far, newest first. */
export class Gallery {
  readonly element: HTMLElement;
  private readonly list = h('ul', {class: 'cards'});
  private readonly strip = h('div', {class: 'strip'});
  private readonly cards = new Map<string, Card>();
  private current: string | null = null;
  private readonly none = h('p', {class: 'hint', text: words.gallery.empty});
  private readonly more: HTMLButtonElement;
  private readonly thumbnails;
  private readonly all;
  private readonly queue;
  private readonly latest = new Map<string, Job>();
  private readonly space = h('p', {class: 'hint', id: 'space'});

  constructor(client: Client, private readonly turner: Turner, private readonly actions: GalleryActions) {
    this.thumbnails = new Thumbnails(client);
    this.all = button({label: words.gallery.all, icon: 'grid', class: 'button small', onclick: () => actions.all()});
    this.all.hidden = true;
    this.queue = button({label: words.app.queue(0), icon: 'list', class: 'button small', onclick: () => actions.queue()});
    this.queue.hidden = true;
    this.more = button({label: words.gallery.older, icon: 'open', class: 'button quiet', onclick: () => actions.more()});
    this.more.hidden = true;
    this.element = h('section', {class: 'panel gallery', 'aria-label': words.gallery.title},
      h('div', {class: 'gallery-head'}, h('h2', {text: words.gallery.title}), this.space, h('div', {class: 'row'}, this.queue, this.all)), this.strip);
    this.strip.append(this.list, this.none, this.more);
  }

  /** One card for each asset: the version that stands for it, and how many there are. */
  show(assets: readonly {job: Job; versions: number}[], current: string | null, hasMore: boolean): void {
    const jobs = assets.map(({job}) => job);
    const now = Date.now();
    for (const [id, card] of this.cards) {
      if (jobs.some((job) => job.id === id)) continue;
      this.thumbnails.drop(card.place);
      if (card.element.contains(document.activeElement)) this.cards.get(neighbour(card.element))?.open.focus();
      card.element.remove();
      this.cards.delete(id);
      this.latest.delete(id);
    }
    jobs.forEach((job, i) => {
      const card = this.cards.get(job.id) ?? this.newCard(job);
      this.latest.set(job.id, job);
      this.draw(card, job, assets[i]?.versions ?? 1, now);
      if (job.id === current) card.open.setAttribute('aria-current', 'true');
      else card.open.removeAttribute('aria-current');
      if (this.list.children[i] !== card.element) this.list.insertBefore(card.element, this.list.children[i] ?? null);
    });
    this.none.hidden = jobs.length > 0;
    this.all.hidden = jobs.length === 0;
    this.more.hidden = !hasMore;
    if (current !== this.current) this.reveal(current);
  }

  /** How many jobs run or wait. */
  showActive(count: number): void {
    if (count === 0 && this.queue === document.activeElement) this.all.focus();
    this.queue.hidden = count === 0;
    this.queue.querySelector('span')?.replaceChildren(words.app.queue(count));
  }

  /** How much there is, how much room is left, and how long it stays. */
  showSpace(storage: Storage): void {
    const {jobs, bytes: taken, free_bytes: free, keep_days: days, keep_bytes: most} = storage;
    const limits = [...(days === null ? [] : [words.gallery.forDays(days)]), ...(most === null ? [] : [words.gallery.upTo(bytes(most))])];
    this.space.textContent = [words.gallery.jobs(jobs, bytes(taken)), ...(free === null ? [] : [words.gallery.free(bytes(free))]),
      limits.length > 0 ? words.gallery.kept(limits.join(', ')) : words.gallery.keptForEver].join(' · ');
  }

  /** Brings the card of what is in view into the strip's view; the page itself stays. */
  private reveal(current: string | null): void {
    this.current = current;
    const card = this.cards.get(current ?? '')?.element.getBoundingClientRect();
    const strip = this.strip.getBoundingClientRect();
    if (card && (card.left < strip.left || card.right > strip.right)) this.strip.scrollLeft += card.left - strip.left - (strip.width - card.width) / 2;
  }

  private newCard(job: Job): Card {
    const place = h('span', {class: 'thumbnail'});
    const caption = h('span', {class: 'caption'});
    const open = h('button', {type: 'button', class: 'card-open', onclick: () => this.actions.open(job)}, place, caption);
    const remove = button({label: words.gallery.delete(job.name), icon: 'trash', iconOnly: true, class: 'button quiet small card-remove', onclick: () => this.actions.remove(job)});
    const card: Card = {element: h('li', {class: 'card', 'data-job': job.id}, open, remove), open, remove, place, caption, key: ''};
    this.turner.watch(card.element, place, () => this.latest.get(job.id) ?? null);
    this.cards.set(job.id, card);
    return card;
  }

  private draw(card: Card, job: Job, versions: number, now: number): void {
    const percent = job.state === 'running' && job.progress ? ` ${Math.floor(job.progress.fraction * 100)} %` : '';
    const state = words.gallery.states[job.state] + percent;
    const when = state || ago(job.created, now);
    const key = `${job.name}|${job.state}|${when}|${job.pinned}|${versions}`;
    if (key !== card.key) {
      card.key = key;
      card.element.dataset['state'] = job.state;
      card.caption.replaceChildren(h('span', {class: 'card-name', dir: 'auto', text: job.name, title: job.name}), h('span', {class: 'card-when', text: job.pinned ? words.gallery.pinned(when) : when}),
        ...(versions > 1 ? [h('span', {class: 'card-versions', text: words.gallery.versions(versions)})] : []));
      card.remove.setAttribute('aria-label', words.gallery.delete(job.name));
      card.remove.title = words.gallery.delete(job.name);
    }
    this.thumbnails.show(card.place, job);
  }
}
