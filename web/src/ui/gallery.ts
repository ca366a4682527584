import type {Client} from '../api/client.js';
import type {Job, Storage} from '../api/types.js';
import {button, h, icon} from '../core/dom.js';
import {ago, bytes, count} from '../core/format.js';

export interface GalleryActions {
  open(job: Job): void;
  remove(job: Job): void;
  more(): void;
}

const STATES: Record<Job['state'], string> = {queued: 'waiting', running: 'running', done: '', failed: 'failed', cancelled: 'cancelled'};

interface Card {
  element: HTMLElement;
  open: HTMLButtonElement;
  remove: HTMLButtonElement;
  place: HTMLElement;
  caption: HTMLElement;
  key: string;
  thumbnail: string;
  url: string | null;
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
  private readonly none = h('p', {class: 'hint', text: 'What you make appears here.'});
  private readonly more: HTMLButtonElement;
  private readonly space = h('p', {class: 'hint', id: 'space'});

  constructor(private readonly client: Client, private readonly actions: GalleryActions) {
    this.more = button({label: 'Older', icon: 'open', class: 'button quiet', onclick: () => actions.more()});
    this.more.hidden = true;
    this.element = h('section', {class: 'panel gallery', 'aria-label': 'Gallery'},
      h('div', {class: 'gallery-head'}, h('h2', {text: 'Gallery'}), this.space), this.strip);
    this.strip.append(this.list, this.none, this.more);
  }

  show(jobs: readonly Job[], current: string | null, hasMore: boolean): void {
    const now = Date.now();
    for (const [id, card] of this.cards) {
      if (jobs.some((job) => job.id === id)) continue;
      if (card.url) URL.revokeObjectURL(card.url);
      if (card.element.contains(document.activeElement)) this.cards.get(neighbour(card.element))?.open.focus();
      card.element.remove();
      this.cards.delete(id);
    }
    jobs.forEach((job, i) => {
      const card = this.cards.get(job.id) ?? this.newCard(job);
      this.draw(card, job, now);
      if (job.id === current) card.open.setAttribute('aria-current', 'true');
      else card.open.removeAttribute('aria-current');
      if (this.list.children[i] !== card.element) this.list.insertBefore(card.element, this.list.children[i] ?? null);
    });
    this.none.hidden = jobs.length > 0;
    this.more.hidden = !hasMore;
    if (current !== this.current) this.reveal(current);
  }

  /** How much there is, how much room is left, and how long it stays. */
  showSpace(storage: Storage): void {
    const {jobs, bytes: taken, free_bytes: free, keep_days: days, keep_bytes: most} = storage;
    const limits = [...(days === null ? [] : [`for ${days} ${days === 1 ? 'day' : 'days'}`]), ...(most === null ? [] : [`up to ${bytes(most)}, then the oldest go`])];
    this.space.textContent = [`${count(jobs)} ${jobs === 1 ? 'job' : 'jobs'}, ${bytes(taken)}`, ...(free === null ? [] : [`${bytes(free)} free`]),
      limits.length > 0 ? `kept ${limits.join(', ')}; what is pinned stays` : 'kept until you delete it'].join(' · ');
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
    const remove = button({label: `Delete ${job.name}`, icon: 'trash', iconOnly: true, class: 'button quiet small card-remove', onclick: () => this.actions.remove(job)});
    const card: Card = {element: h('li', {class: 'card', 'data-job': job.id}, open, remove), open, remove, place, caption, key: '', thumbnail: '', url: null};
    this.cards.set(job.id, card);
    return card;
  }

  private draw(card: Card, job: Job, now: number): void {
    const percent = job.state === 'running' && job.progress ? ` ${Math.floor(job.progress.fraction * 100)} %` : '';
    const state = STATES[job.state] + percent;
    const when = state || ago(job.created, now);
    const key = `${job.name}|${job.state}|${when}|${job.pinned}`;
    if (key !== card.key) {
      card.key = key;
      card.element.dataset['state'] = job.state;
      card.caption.replaceChildren(h('span', {class: 'card-name', text: job.name, title: job.name}), h('span', {class: 'card-when', text: job.pinned ? `pinned · ${when}` : when}));
      card.remove.setAttribute('aria-label', `Delete ${job.name}`);
      card.remove.title = `Delete ${job.name}`;
    }
    const picture = job.files.find(({role}) => role === 'thumbnail') ?? job.files.find(({role}) => role === 'input');
    if (picture && picture.url !== card.thumbnail) {
      card.thumbnail = picture.url;
      void this.loadThumbnail(card, picture.url);
    } else if (!picture && card.place.childElementCount === 0) {
      card.place.replaceChildren(icon(job.state === 'failed' ? 'warning' : 'picture'));
    }
  }

  private async loadThumbnail(card: Card, url: string): Promise<void> {
    try {
      const blob = await this.client.file(url);
      if (card.thumbnail !== url || !card.element.isConnected) return;
      if (card.url) URL.revokeObjectURL(card.url);
      card.url = URL.createObjectURL(blob);
      card.place.replaceChildren(h('img', {src: card.url, alt: ''}));
    } catch {
      card.thumbnail = '';  // tried again with the next list
    }
  }
}
