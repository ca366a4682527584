import '../style/dialogs.css';
import '../style/grid.css';
import type {Client} from '../api/client.js';
import {archiveOf} from '../api/several.js';
import {ApiError} from '../api/errors.js';
import {isFinal, type Job} from '../api/types.js';
import {button, h, type icon, saveBlob, uniqueId} from '../core/dom.js';
import {bytes} from '../core/format.js';
import {type Arrangement, arranged, bytesOf, FILTERS, SORTS} from '../core/gallery_list.js';
import {more, words} from '../core/words.js';
import {selectField} from './fields.js';
import {GridCells} from './grid_cells.js';
import type {Notifier} from './notify.js';
import type {Turner} from './turner.js';
import {DOWNLOAD} from '../core/icons_later.js';

const PAGE = 200;
const ASK_AGAIN = 4000;  // milliseconds, while something runs

export interface GridActions {
  open(job: Job): void;
  /** Asks, deletes, and tells whether anything went. */
  remove(jobs: readonly Job[]): Promise<boolean>;
  compare(one: Job, other: Job): void;
}

type Page = Awaited<ReturnType<Client['assets']>>;

/** All assets in a grid as wide as the window. */
export class GalleryGrid {
  private readonly dialog = h('dialog', {class: 'dialog gallery-grid'});
  private readonly list = h('div', {class: 'grid-list', tabindex: 0, role: 'listbox', 'aria-multiselectable': 'true', 'aria-label': words.gallery.title});
  private readonly search = h('input', {type: 'search', 'aria-label': more.grid.search, placeholder: more.grid.search, autofocus: true, oninput: () => this.arrange()});
  private readonly sort = selectField(more.grid.sort, SORTS.map((value) => ({value, label: more.grid.sorts[value]})), 'newest', () => this.arrange());
  private readonly filter = selectField(more.grid.show, FILTERS.map((value) => ({value, label: more.grid.filters[value]})), 'all', () => this.arrange());
  private readonly count = h('p', {class: 'hint', role: 'status'});
  private readonly none = h('p', {class: 'grid-none hint', hidden: true, text: more.grid.none});
  private readonly buttons;
  private readonly cells;
  private readonly jobs = new Map<string, Job>();
  private readonly selected = new Set<string>();
  private shown: Job[] = [];
  private active = 0;
  private anchor = 0;
  private life = new AbortController();

  constructor(private readonly client: Client, private readonly notify: Notifier, turner: Turner, private readonly actions: GridActions) {
    this.cells = new GridCells(client, turner, this.list, () => ({jobs: this.shown, active: this.active, selected: this.selected}));
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
    const resized = new ResizeObserver(() => this.cells.measure());
    resized.observe(this.list);
    this.arrange();
    this.activate(Math.max(0, this.shown.findIndex(({id}) => id === current)));
    void this.load();
    await new Promise((resolve) => this.dialog.addEventListener('close', resolve, {once: true}));
    this.life.abort();
    resized.disconnect();
    this.cells.clear();
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
    this.cells.measure();
    this.say();
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
    this.list.addEventListener('click', (event) => {
      const at = this.cells.indexOf(event);
      if (at < 0) return;
      if (event.shiftKey) this.selectTo(at);
      else if (event.ctrlKey || event.metaKey || (event.target as Element).closest('.grid-mark')) this.toggle(at);
      else this.selectOnly(at);
    });
    this.list.addEventListener('dblclick', (event) => {
      if (this.cells.indexOf(event) >= 0) this.openActive();
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

  private key(event: KeyboardEvent): void {
    const {columns, rows} = this.cells;
    const last = this.shown.length - 1;
    const moves: Readonly<Record<string, number>> = {
      ArrowRight: this.active + 1, ArrowLeft: this.active - 1, ArrowDown: this.active + columns, ArrowUp: this.active - columns,
      PageDown: this.active + rows * columns, PageUp: this.active - rows * columns, Home: 0, End: last,
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
    this.cells.reveal(at);
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
    this.cells.draw();
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
