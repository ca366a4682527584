import type {Client} from '../api/client.js';
import type {Job} from '../api/types.js';
import {h, icon, uniqueId} from '../core/dom.js';
import {ago, bytes} from '../core/format.js';
import {bytesOf} from '../core/gallery_list.js';
import {words} from '../core/words.js';
import {Thumbnails} from './thumbnails.js';
import type {Turner} from './turner.js';

const CELL = {width: 150, height: 148, gap: 10};
const ROW = CELL.height + CELL.gap;
const SPARE_ROWS = 2;  // drawn above and below what is seen

/** What the cells show. */
export interface Cells {
  jobs: readonly Job[];
  active: number;  // index of the one with the mark of the keyboard
  selected: ReadonlySet<string>;
}

interface Cell {
  element: HTMLElement;
  place: HTMLElement;
  caption: HTMLElement;
  drawn: Job | null;  // as it was when the cell was filled
  minute: number;
}

/** Cells of a grid in a list that scrolls; only rows that are seen exist as elements. */
export class GridCells {
  columns = 1;
  private readonly room = h('div', {class: 'grid-room', role: 'presentation'});
  private readonly cells = new Map<string, Cell>();
  private readonly thumbnails;
  private drawing = 0;

  /** `shown` is asked at every drawing. */
  constructor(client: Client, private readonly turner: Turner, private readonly list: HTMLElement, private readonly shown: () => Cells) {
    this.thumbnails = new Thumbnails(client);
    list.append(this.room);
    list.addEventListener('scroll', () => {
      if (this.drawing === 0) this.drawing = requestAnimationFrame(() => this.draw());
    }, {passive: true});
  }

  /** Whole rows that are seen at once. */
  get rows(): number {
    return Math.max(1, Math.floor(this.list.clientHeight / ROW));
  }

  /** After a change of the list's width or of the number of cells. */
  measure(): void {
    const width = this.list.clientWidth - 2 * CELL.gap;
    this.columns = Math.max(1, Math.floor((width + CELL.gap) / (CELL.width + CELL.gap)));
    this.room.style.height = `${Math.ceil(this.shown().jobs.length / this.columns) * ROW}px`;
    this.draw();
  }

  /** Elements for what is seen, and a little more; those that went out of sight are taken away. */
  draw(): void {
    this.drawing = 0;
    const {jobs, active, selected} = this.shown();
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - SPARE_ROWS) * this.columns;
    const last = Math.min(jobs.length, (Math.ceil((this.list.scrollTop + this.list.clientHeight) / ROW) + SPARE_ROWS) * this.columns);
    const seen = new Set<string>();
    const now = Date.now();
    const width = (this.list.clientWidth - 2 * CELL.gap + CELL.gap) / this.columns;
    for (let i = first; i < last; ++i) {
      const job = jobs[i];
      if (!job) continue;
      seen.add(job.id);
      const cell = this.cells.get(job.id) ?? this.newCell(job);
      this.fill(cell, job, now);
      const {element} = cell;
      element.style.transform = `translate(${(i % this.columns) * width}px, ${Math.floor(i / this.columns) * ROW}px)`;
      element.style.width = `${width - CELL.gap}px`;
      element.setAttribute('aria-posinset', String(i + 1));
      element.setAttribute('aria-setsize', String(jobs.length));
      element.setAttribute('aria-selected', String(selected.has(job.id)));
      element.classList.toggle('active', i === active);
    }
    for (const [id, cell] of this.cells) {
      if (seen.has(id)) continue;
      cell.element.remove();
      this.thumbnails.drop(cell.place);
      this.cells.delete(id);
    }
    const marked = jobs[active];
    const at = marked ? this.cells.get(marked.id)?.element.id : undefined;
    if (at) this.list.setAttribute('aria-activedescendant', at);
    else this.list.removeAttribute('aria-activedescendant');
  }

  /** Scrolls a cell into view. */
  reveal(at: number): void {
    const top = Math.floor(at / this.columns) * ROW;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (top + ROW > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = top + ROW - this.list.clientHeight;
    this.draw();
  }

  /** Index of the cell that an event is of, or -1. */
  indexOf(event: Event): number {
    const cell = event.target instanceof Element ? event.target.closest<HTMLElement>('.grid-cell') : null;
    return cell ? this.shown().jobs.findIndex(({id}) => id === cell.dataset['job']) : -1;
  }

  clear(): void {
    this.turner.stop();
    this.thumbnails.clear();
    this.cells.clear();
    this.room.replaceChildren();
  }

  private newCell(job: Job): Cell {
    const place = h('span', {class: 'thumbnail'});
    const caption = h('span', {class: 'caption'});
    const element = h('div', {class: 'grid-cell', role: 'option', id: uniqueId('asset'), 'data-job': job.id}, place, caption, h('span', {class: 'grid-mark'}, icon('tick')));
    const cell: Cell = {element, place, caption, drawn: null, minute: 0};
    this.turner.watch(element, place, () => cell.drawn);
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
}
