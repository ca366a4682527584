import '../style/dialogs.css';
import '../style/queue.css';
import type {Client} from '../api/client.js';
import {pauseQueue, queueOf} from '../api/several.js';
import type {Job} from '../api/types.js';
import {setTells, tells} from '../core/badge.js';
import {button, h, icon, uniqueId} from '../core/dom.js';
import {duration} from '../core/format.js';
import {stageTitle} from '../core/stages.js';
import {more, words} from '../core/words.js';
import {checkField} from './fields.js';
import type {Notifier} from './notify.js';
import {GRIP, PAUSE, PLAY} from '../core/icons_later.js';

const ASK_AGAIN = 1500;
const LAST = 2147483647;  // behind all that wait

export interface QueueActions {
  open(job: Job): void;
  changed(): void;
}

/** What runs and what waits, in its order, with the ways to stop it, to move it, and to let nothing else begin. */
export class QueuePanel {
  private readonly dialog = h('dialog', {class: 'dialog queue'});
  private readonly list = h('ol', {class: 'queue-list', 'aria-label': more.queue.title});
  private readonly none = h('p', {class: 'hint', text: more.queue.none});
  private readonly all: HTMLButtonElement;
  private readonly pause = button({label: more.queue.pause, icon: PAUSE, class: 'button small queue-pause', onclick: () => void this.setPaused(!this.paused)});
  private readonly pausedHint = h('p', {class: 'hint', hidden: true, role: 'status', text: more.queue.paused});
  private readonly tell = checkField(more.queue.tell, tells(), more.queue.tellHint, () => void this.setTelling());
  private readonly said = h('div', {class: 'hidden', role: 'status'});
  private jobs: readonly Job[] = [];
  private paused = false;
  private dragged: string | null = null;
  private key = '';

  constructor(private readonly client: Client, private readonly notify: Notifier, private readonly actions: QueueActions) {
    const title = h('h2', {id: uniqueId('title'), text: more.queue.title});
    this.dialog.setAttribute('aria-labelledby', title.id);
    this.all = button({label: more.queue.cancelWaiting, icon: 'close', class: 'button small danger-quiet', onclick: () => void this.cancel(this.jobs.filter(({state}) => state === 'queued'))});
    this.listenToDrags();
    this.dialog.append(h('div', {class: 'stack'}, title, this.said, this.pausedHint, this.list, this.none, this.tell.element,
      h('div', {class: 'row end wrap'}, this.pause, this.all, h('button', {type: 'button', class: 'button', text: words.app.close, autofocus: true, onclick: () => this.dialog.close()}))));
  }

  async open(): Promise<void> {
    const before = document.activeElement;
    document.body.append(this.dialog);
    this.dialog.showModal();
    const closed = new Promise((resolve) => this.dialog.addEventListener('close', resolve, {once: true}));
    let open = true;
    void closed.then(() => {
      open = false;
    });
    while (open) {
      await this.load();
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, ASK_AGAIN))]);
    }
    this.dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  }

  private async load(): Promise<void> {
    try {
      ({jobs: this.jobs, paused: this.paused} = await queueOf(this.client));
      if (this.dragged === null) this.draw();  // a row that is held stays what it is
    } catch (error) {
      this.notify.error(more.queue.failed, error);
    }
  }

  private draw(): void {
    const key = JSON.stringify([this.paused, this.jobs.map(({id, name, state, position, progress}) => [id, name, state, position, Math.floor((progress?.fraction ?? 0) * 100)])]);
    if (key === this.key) return;
    this.key = key;
    const focused = document.activeElement instanceof HTMLElement && this.list.contains(document.activeElement) ?
      {job: document.activeElement.closest('li')?.dataset['job'] ?? '', part: ['.queue-open', '.queue-grip'].find((part) => document.activeElement?.matches(part)) ?? '.queue-cancel'} : null;
    this.list.replaceChildren(...this.jobs.map((job) => this.row(job)));
    if (focused) (this.list.querySelector<HTMLElement>(`[data-job="${CSS.escape(focused.job)}"] ${focused.part}`) ?? this.all).focus();
    this.none.hidden = this.jobs.length > 0;
    this.pausedHint.hidden = !this.paused;
    this.pause.replaceChildren(icon(this.paused ? PLAY : PAUSE), h('span', {text: this.paused ? more.queue.goOn : more.queue.pause}));
    this.all.hidden = !this.jobs.some(({state}) => state === 'queued');
  }

  private row(job: Job): HTMLElement {
    const {state, progress, position} = job;
    const left = progress?.seconds_left;
    const about = state === 'running' ?
      [progress ? stageTitle(progress) : more.progress.starting, `${Math.floor((progress?.fraction ?? 0) * 100)} %`, ...(typeof left === 'number' ? [more.progress.left(duration(left))] : [])].join(' · ') :
      position ? more.progress.waiting(position) : more.progress.waitingToStart;
    const cancel = button({label: more.downloads.cancel(job.name), icon: 'close', iconOnly: true, class: 'button quiet small queue-cancel', onclick: () => void this.cancel([job])});
    const grip = state === 'queued' ? button({label: more.queue.move(job.name), icon: GRIP, iconOnly: true, class: 'button quiet small queue-grip', onclick: () => void this.moveBy(job, -1)}) : null;
    grip?.addEventListener('keydown', (event) => this.moveByKey(event, job));
    return h('li', {class: 'queue-row', 'data-job': job.id, 'data-state': state, draggable: state === 'queued' ? 'true' : null}, grip,
      h('button', {type: 'button', class: 'queue-open', onclick: () => {
        this.dialog.close();
        this.actions.open(job);
      }}, h('span', {class: 'card-name', dir: 'auto', text: job.name}), h('span', {class: 'hint', text: job.asset ? about : `${more.queue.file} · ${about}`})), cancel,
      state === 'running' ? h('progress', {max: 1, value: progress?.fraction ?? 0, 'aria-label': more.progress.bar}) : null);
  }

  private async setPaused(paused: boolean): Promise<void> {
    try {
      ({jobs: this.jobs, paused: this.paused} = await pauseQueue(this.client, paused));
      this.draw();
    } catch (error) {
      this.notify.error(more.queue.notPaused, error);
    }
  }

  /** Those that wait in the lane of a job, in their order: files of assets have a lane of their own. */
  private lane(job: Job): Job[] {
    return this.jobs.filter(({state, kind}) => state === 'queued' && (kind === 'export') === (job.kind === 'export'));
  }

  private moveByKey(event: KeyboardEvent, job: Job): void {
    const ways: Readonly<Record<string, number>> = {ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity};
    const by = ways[event.key];
    if (by === undefined) return;
    event.preventDefault();
    void this.moveBy(job, by);
  }

  private async moveBy(job: Job, by: number): Promise<void> {
    const lane = this.lane(job);
    const to = lane.findIndex(({id}) => id === job.id) + by;
    await this.moveTo(job, Math.min(Math.max(to, 0), lane.length - 1));
  }

  /** `to`: its number among those that wait in its lane. */
  private async moveTo(job: Job, to: number): Promise<void> {
    const others = this.lane(job).filter(({id}) => id !== job.id);
    if (this.lane(job)[to]?.id === job.id) return;
    const next = others[to];
    try {
      // Named by its neighbour: numbers change whenever a job begins.
      await this.client.change(job.id, next ? {before: next.id} : {position: LAST});
    } catch (error) {
      this.notify.error(more.queue.notMoved(job.name), error);
    }
    await this.load();
    const lane = this.lane(job);
    const place = lane.findIndex(({id}) => id === job.id);
    if (place >= 0) this.said.textContent = more.queue.moved(job.name, place + 1, lane.length);
  }

  private listenToDrags(): void {
    const rowOf = (target: EventTarget | null): HTMLElement | null => target instanceof Element ? target.closest<HTMLElement>('.queue-row') : null;
    const jobOf = (row: HTMLElement | null): Job | undefined => this.jobs.find(({id}) => id === row?.dataset['job']);
    /** Where a drop would put the job that is held; null where it cannot go. */
    const target = (event: DragEvent): {row: HTMLElement; to: number; after: boolean} | null => {
      const [held, row] = [this.jobs.find(({id}) => id === this.dragged), rowOf(event.target)];
      const over = jobOf(row);
      if (!held || !row || !over || over.id === held.id) return null;
      const lane = this.lane(held);
      const at = lane.findIndex(({id}) => id === over.id);
      if (at < 0) return null;
      const box = row.getBoundingClientRect();
      const after = event.clientY > box.top + box.height / 2;
      const others = lane.filter(({id}) => id !== held.id);
      return {row, after, to: others.findIndex(({id}) => id === over.id) + (after ? 1 : 0)};
    };
    const unmark = (): void => {
      for (const row of this.list.querySelectorAll('[data-drop]')) row.removeAttribute('data-drop');
    };
    this.list.addEventListener('dragstart', (event) => {
      const job = jobOf(rowOf(event.target));
      if (!job || !event.dataTransfer) return;
      this.dragged = job.id;
      event.dataTransfer.effectAllowed = 'move';
      event.dataTransfer.setData('text/plain', job.name);
    });
    this.list.addEventListener('dragover', (event) => {
      const place = target(event);
      unmark();
      if (!place) return;
      event.preventDefault();
      place.row.dataset['drop'] = place.after ? 'after' : 'before';
    });
    this.list.addEventListener('drop', (event) => {
      const place = target(event);
      const held = this.jobs.find(({id}) => id === this.dragged);
      event.preventDefault();
      unmark();
      this.dragged = null;
      if (place && held) void this.moveTo(held, place.to);
    });
    this.list.addEventListener('dragend', () => {
      unmark();
      this.dragged = null;
      this.draw();
    });
  }

  private async cancel(jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) {
      try {
        await this.client.remove(job.id);
      } catch (error) {
        this.notify.error(words.app.notCancelled, error);
      }
    }
    await this.load();
    this.actions.changed();
  }

  private async setTelling(): Promise<void> {
    const wanted = this.tell.get();
    const done = await setTells(wanted);
    this.tell.set(done);
    if (wanted && !done) this.notify.warn(more.queue.refused, more.queue.refusedHint);
  }
}
