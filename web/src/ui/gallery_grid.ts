import '../style/dialogs.css';
import '../style/grid.css';
import type {Client} from '../api/client.js';
import {archiveOf} from '../api/several.js';
import {ApiError} from '../api/errors.js';
import {isFinal, type Job} from '../api/types.js';
import {button, h, icon, saveBlob, uniqueId} from '../core/dom.js';
import {ago, bytes} from '../core/format.js';
import {type Arrangement, arranged, bytesOf, FILTERS, SORTS} from '../core/gallery_list.js';
import {more, words} from '../core/words.js';
import {selectField} from './fields.js';
import type {Notifier} from './notify.js';
import {Thumbnails} from './thumbnails.js';
import type {Turner} from './turner.js';
import {DOWNLOAD} from '../core/icons_later.js';

const PAGE = 200;
const CELL = {width: 150, height: 148, gap: 10};
const SPARE_ROWS = 2;    // drawn above and below what is seen
const ASK_AGAIN = 4000;  // while something runs

export interface GridActions {
  open(job: Job): void;
  /** Asks, deletes, and tells whether anything went. */
  remove(jobs: readonly Job[]): Promise<boolean>;
  compare(one: Job, other: Job): void;
}

type Page = Awaited<ReturnType<Client['assets']>>;

interface Cell {
  element: HTMLElement;
  place: HTMLElement;
  caption: HTMLElement;
  drawn: Job | null;  // as it was when the cell was filled
  minute: number;
}

/** All assets in a grid as wide as the window; only rows that are seen exist as elements. */
export class GalleryGrid {
  private readonly dialog = h('dialog', {class: 'dialog gallery-grid'});
  private readonly list = h('div', {class: 'grid-list', tabindex: 0, role: 'listbox', 'aria-multiselectable': 'true', 'aria-label': words.gallery.title});
  private readonly room = h('div', {class: 'grid-room', role: 'presentation'});
  private readonly search = h('input', {type: 'search', 'aria-label': more.grid.search, placeholder: more.grid.search, autofocus: true, oninput: () => this.arrange()});
  private readonly sort = selectField(more.grid.sort, SORTS.map((value) => ({value, label: more.grid.sorts[value]})), 'newest', () => this.arrange());
  private readonly filter = selectField(more.grid.show, FILTERS.map((value) => ({value, label: more.grid.filters[value]})), 'all', () => this.arrange());
  private readonly count = h('p', {class: 'hint', role: 'status'});
  private readonly none = h('p', {class: 'grid-none hint', hidden: true, text: more.grid.none});
  private readonly buttons;
  private readonly cells = new Map<string, Cell>();
  private readonly thumbnails;
  private readonly jobs = new Map<string, Job>();
  private readonly selected = new Set<string>();
  private shown: Job[] = [];
  private active = 0;
  private anchor = 0;
  private columns = 1;
  private life = new AbortController();
  private drawing = 0;

  constructor(private readonly client: Client, private readonly notify: Notifier, private readonly turner: Turner, private readonly actions: GridActions) {
    this.thumbnails = new Thumbnails(client);
    const act = (label: string, iconName: Parameters<typeof icon>[0], onclick: () => void, look = ''): HTMLButtonElement =>
      button({label, icon: iconName, class: `button small ${look}`, onclick});
    this.buttons = {
      open: act(more.grid.open, 'open', () => this.openActive()),
      compare: act(more.grid.compare, 'compare', () => this.compare()),
      zip: act(more.grid.zip, DOWNLOAD, () => void this.zip()),
      remove: act(more.dialogs.deleteIt, 'trash', () => void this.remove(), 'danger-quiet'),
    };
    const title = h('h2', {id: uniqueId('title'), text: more.grid.title});
    this.dialog.setAttribute('aria-labelledby', title.id);
    this.list.append(this.room);
    this.dialog.append(
      h('div', {class: 'grid-head'}, title, this.search, this.filter.element, this.sort.element,
        button({label: words.app.close, icon: 'close', iconOnly: true, class: 'button quiet', onclick: () => this.dialog.close()})),
      this.list, this.none,
      h('div', {class: 'grid-foot'}, this.count, h('div', {class: 'row wrap'}, ...Object.values(this.buttons))));
    this.listen();
  }

  /** Until it is closed. `known`: what the page has already, to begin with. */
  async open(known: readonly Job[], current: string | null): Promise<void> {
    const before = document.activeElement;
    this.life = new AbortController();
    this.jobs.clear();
    this.selected.clear();
    for (const job of known) this.jobs.set(job.id, job);
    document.body.append(this.dialog);
    this.dialog.showModal();
    const resized = new ResizeObserver(() => this.measure());
    resized.observe(this.list);
    this.arrange();
    this.activate(Math.max(0, this.shown.findIndex(({id}) => id === current)));
    void this.load();
    await new Promise((resolve) => this.dialog.addEventListener('close', resolve, {once: true}));
    this.life.abort();
    resized.disconnect();
    this.turner.stop();
    this.thumbnails.clear();
    this.cells.clear();
    this.room.replaceChildren();
    this.dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  }

  /** Everything the server has, page by page; what is there is shown meanwhile. */
  private async load(): Promise<void> {
    const {signal} = this.life;
    try {
      const found = new Set<string>();
      for (let coming: Promise<Page> | null = this.client.assets(null, PAGE); coming;) {
        const {jobs, next}: Page = await coming;
        if (signal.aborted) return;
        coming = next ? this.client.assets(next, PAGE) : null;  // is on its way while these are drawn
        coming?.catch(() => undefined);
        for (const job of jobs) {
          found.add(job.id);
          this.jobs.set(job.id, job);
        }
        this.arrange();
      }
      for (const id of this.jobs.keys()) if (!found.has(id)) this.forget(id);
      this.arrange();
    } catch (error) {
      if (!signal.aborted) this.notify.error(words.app.galleryFailed, error);
      return;
    }
    if ([...this.jobs.values()].some(({state}) => !isFinal(state))) setTimeout(() => signal.aborted || void this.load(), ASK_AGAIN);
  }

  private forget(id: string): void {
    this.jobs.delete(id);
    this.selected.delete(id);
  }

  private get arrangement(): Arrangement {
    return {search: this.search.value, sort: this.sort.get(), filter: this.filter.get()};
  }

  private arrange(): void {
    const at = this.shown[this.active]?.id;
    this.shown = arranged([...this.jobs.values()], this.arrangement);
    if (this.selected.size > 0) {
      const shown = new Set(this.shown.map(({id}) => id));
      for (const id of this.selected) if (!shown.has(id)) this.selected.delete(id);
    }
    this.active = Math.max(0, at ? this.shown.findIndex(({id}) => id === at) : 0);
    this.anchor = this.active;
    this.none.hidden = this.shown.length > 0;
    this.list.hidden = this.shown.length === 0;
    this.measure();
    this.say();
  }

  private measure(): void {
    const width = this.list.clientWidth - 2 * CELL.gap;
    this.columns = Math.max(1, Math.floor((width + CELL.gap) / (CELL.width + CELL.gap)));
    this.room.style.height = `${Math.ceil(this.shown.length / this.columns) * (CELL.height + CELL.gap)}px`;
    this.draw();
  }

  private readonly later = (): void => {
    if (this.drawing === 0) this.drawing = requestAnimationFrame(() => this.draw());
  };

  /** Elements for what is seen, and a little more; those that went out of sight are taken away. */
  private draw(): void {
    this.drawing = 0;
    const row = CELL.height + CELL.gap;
    const first = Math.max(0, Math.floor(this.list.scrollTop / row) - SPARE_ROWS) * this.columns;
    const last = Math.min(this.shown.length, (Math.ceil((this.list.scrollTop + this.list.clientHeight) / row) + SPARE_ROWS) * this.columns);
    const seen = new Set<string>();
    const now = Date.now();
    const width = (this.list.clientWidth - 2 * CELL.gap + CELL.gap) / this.columns;
    for (let i = first; i < last; ++i) {
      const job = this.shown[i];
      if (!job) continue;
      seen.add(job.id);
      const cell = this.cells.get(job.id) ?? this.newCell(job);
      this.fill(cell, job, now);
      const {element} = cell;
      element.style.transform = `translate(${(i % this.columns) * width}px, ${Math.floor(i / this.columns) * row}px)`;
      element.style.width = `${width - CELL.gap}px`;
      element.setAttribute('aria-posinset', String(i + 1));
      element.setAttribute('aria-setsize', String(this.shown.length));
      element.setAttribute('aria-selected', String(this.selected.has(job.id)));
      element.classList.toggle('active', i === this.active);
    }
    for (const [id, cell] of this.cells) {
      if (seen.has(id)) continue;
      cell.element.remove();
      this.thumbnails.drop(cell.place);
      this.cells.delete(id);
    }
    const active = this.shown[this.active];
    const at = active ? this.cells.get(active.id)?.element.id : undefined;
    if (at) this.list.setAttribute('aria-activedescendant', at);
    else this.list.removeAttribute('aria-activedescendant');
  }

  private newCell(job: Job): Cell {
    const place = h('span', {class: 'thumbnail'});
    const caption = h('span', {class: 'caption'});
    const element = h('div', {class: 'grid-cell', role: 'option', id: uniqueId('asset'), 'data-job': job.id}, place, caption, h('span', {class: 'grid-mark'}, icon('tick')));
    this.turner.watch(element, place, () => this.jobs.get(job.id) ?? null);
    const cell: Cell = {element, place, caption, drawn: null, minute: 0};
    this.cells.set(job.id, cell);
    this.room.append(element);
    return cell;
  }

  private fill(cell: Cell, job: Job, now: number): void {
    const minute = Math.floor(now / 60000);
    if (cell.drawn === job && cell.minute === minute) return;
    [cell.drawn, cell.minute] = [job, minute];
    const state = words.gallery.states[job.state];
    const about = [job.pinned ? words.gallery.pinned(state || ago(job.created, now)) : state || ago(job.created, now), bytes(bytesOf(job))].join(' · ');
    cell.element.dataset['state'] = job.state;
    cell.caption.replaceChildren(h('span', {class: 'card-name', dir: 'auto', text: job.name}), h('span', {class: 'card-when', text: about}));
    this.thumbnails.show(cell.place, job);
  }

  private say(): void {
    const size = [...this.selected].reduce((sum, id) => sum + bytesOf(this.jobs.get(id) ?? EMPTY), 0);
    this.count.textContent = this.selected.size > 0 ? more.grid.selected(this.selected.size, bytes(size)) : more.grid.assets(this.shown.length);
    const chosen = this.chosen();
    this.buttons.open.disabled = chosen.length !== 1;
    this.buttons.compare.disabled = chosen.length !== 2 || !chosen.every(({state}) => state === 'done');
    this.buttons.zip.disabled = !chosen.some(({files}) => files.some(({role}) => role === 'result'));
    this.buttons.remove.disabled = chosen.length === 0;
  }

  private chosen(): Job[] {
    return this.shown.filter(({id}) => this.selected.has(id));
  }

  private listen(): void {
    this.list.addEventListener('scroll', this.later, {passive: true});
    this.list.addEventListener('click', (event) => {
      const at = this.indexOf(event);
      if (at < 0) return;
      if (event.shiftKey) this.selectTo(at);
      else if (event.ctrlKey || event.metaKey || (event.target as Element).closest('.grid-mark')) this.toggle(at);
      else this.selectOnly(at);
    });
    this.list.addEventListener('dblclick', (event) => {
      if (this.indexOf(event) >= 0) this.openActive();
    });
    this.list.addEventListener('keydown', (event) => this.key(event));
    this.search.addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowDown' || this.shown.length === 0) return;
      event.preventDefault();
      this.list.focus();
    });
    // Escape takes the selection back first.
    this.dialog.addEventListener('cancel', (event) => {
      if (this.selected.size === 0) return;
      event.preventDefault();
      this.selected.clear();
      this.changed();
    });
  }

  private indexOf(event: Event): number {
    const cell = event.target instanceof Element ? event.target.closest<HTMLElement>('.grid-cell') : null;
    return cell ? this.shown.findIndex(({id}) => id === cell.dataset['job']) : -1;
  }

  private key(event: KeyboardEvent): void {
    const rows = Math.max(1, Math.floor(this.list.clientHeight / (CELL.height + CELL.gap)));
    const last = this.shown.length - 1;
    const moves: Readonly<Record<string, number>> = {
      ArrowRight: this.active + 1, ArrowLeft: this.active - 1, ArrowDown: this.active + this.columns, ArrowUp: this.active - this.columns,
      PageDown: this.active + rows * this.columns, PageUp: this.active - rows * this.columns, Home: 0, End: last,
    };
    const to = moves[event.key];
    if (to !== undefined) {
      const at = Math.min(Math.max(to, 0), last);
      if (event.shiftKey) this.selectTo(at);
      else {
        this.anchor = at;
        this.activate(at);
      }
    } else if (event.key === ' ') this.toggle(this.active);
    else if (event.key === 'Enter') this.openAt(this.active);
    else if (event.key === 'Delete') void this.remove();
    else if (event.key.toLowerCase() === 'a' && (event.ctrlKey || event.metaKey)) {
      for (const {id} of this.shown) this.selected.add(id);
      this.changed();
    } else return;
    event.preventDefault();
  }

  private activate(at: number): void {
    this.active = at;
    const row = CELL.height + CELL.gap;
    const top = Math.floor(at / this.columns) * row;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (top + row > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = top + row - this.list.clientHeight;
    this.draw();
  }

  private toggle(at: number): void {
    const job = this.shown[at];
    if (!job) return;
    if (!this.selected.delete(job.id)) this.selected.add(job.id);
    this.anchor = at;
    this.activate(at);
    this.changed();
  }

  private selectOnly(at: number): void {
    this.selected.clear();
    this.toggle(at);
  }

  private selectTo(at: number): void {
    const [from, to] = [Math.min(this.anchor, at), Math.max(this.anchor, at)];
    for (const {id} of this.shown.slice(from, to + 1)) this.selected.add(id);
    this.activate(at);
    this.changed();
  }

  private changed(): void {
    this.say();
    this.draw();
  }

  private openActive(): void {
    const [one] = this.chosen();
    this.openAt(one ? this.shown.indexOf(one) : this.active);
  }

  private openAt(at: number): void {
    const job = this.shown[at];
    if (!job) return;
    this.dialog.close();
    this.actions.open(job);
  }

  private compare(): void {
    const [one, other] = this.chosen();
    if (!one || !other) return;
    this.dialog.close();
    this.actions.compare(one, other);
  }

  private async remove(): Promise<void> {
    const active = this.shown[this.active];
    const doomed = this.selected.size > 0 ? this.chosen() : active ? [active] : [];
    if (doomed.length === 0 || !(await this.actions.remove(doomed))) return;
    for (const {id} of doomed) this.forget(id);
    this.arrange();
    this.list.focus();
    await this.load();
  }

  /** The finished files of what is selected, in one file. */
  private async zip(): Promise<void> {
    const {signal} = this.life;
    const ids = this.chosen().filter(({files}) => files.some(({role}) => role === 'result')).map(({id}) => id);
    this.buttons.zip.disabled = true;
    this.count.textContent = more.grid.zipping;
    try {
      saveBlob(await archiveOf(this.client, ids, signal), 'espalier-assets.zip');
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status === 413) this.notify.warn(more.grid.tooMuch, more.grid.tooMuchHint);
      else this.notify.error(more.grid.notZipped, error);
    }
    this.say();
  }
}

const EMPTY = {files: []} as unknown as Job;
