import type {Client} from './api/client.js';
import type {Connection} from './api/connection.js';
import {ApiError} from './api/errors.js';
import {isFinal, type Job, type Storage} from './api/types.js';
import {tell, tells} from './core/badge.js';
import {isMine} from './core/drafts.js';
import {more, words} from './core/words.js';
import {dialogs} from './ui/dialogs_later.js';
import type {Notifier} from './ui/notify.js';

const PAGE = 40;
const ASK_AGAIN = 3000;  // milliseconds, while something runs

export interface ListEvents {
  /** The list is another; `asked`: the server was asked for the newest. */
  changed(asked: boolean): void;
  space(storage: Storage): void;
  open(job: Job): void;
  /** A job that was changed on the server. */
  update(job: Job): void;
  /** A job is no more. */
  forgotten(id: string): void;
  failed(what: string, error: unknown): void;
}

/** The jobs that are known, and what is done with them on the server. */
export class AssetList {
  readonly jobs = new Map<string, Job>();
  current: string | null = null;  // the one in view, which is followed by itself
  private next: string | null = null;
  private timer = 0;

  constructor(private readonly client: Client, private readonly connection: Connection, private readonly notify: Notifier, private readonly events: ListEvents) {}

  /** The newest first. */
  get assets(): Job[] {
    return [...this.jobs.values()].filter(({asset}) => asset)
      .sort((a, b) => (a.created === b.created ? (a.id < b.id ? 1 : -1) : a.created < b.created ? 1 : -1));
  }

  /** How many have not ended. */
  get active(): number {
    return [...this.jobs.values()].filter(({state}) => !isFinal(state)).length;
  }

  /** Whether the server has older ones. */
  get hasMore(): boolean {
    return this.next !== null;
  }

  /** Asks for the newest, and again while something runs. */
  async list(): Promise<void> {
    clearTimeout(this.timer);
    try {
      const {jobs, next} = await this.client.assets(null, PAGE);
      // What is older than this page stays; what is missing from it was removed.
      const oldest = jobs.at(-1)?.created ?? '';
      for (const [id, job] of this.jobs) if ((job.created >= oldest || next === null) && !jobs.some((one) => one.id === id)) this.jobs.delete(id);
      for (const job of jobs) {
        this.tellOf(job);
        if (job.id !== this.current || isFinal(job.state)) this.jobs.set(job.id, job);
      }
      if (this.jobs.size <= jobs.length) this.next = next;
      this.events.space(await this.client.storage());
    } catch (error) {
      if (this.connection.isLoss(error)) void this.connection.back();
      else this.notify.error(words.app.galleryFailed, error);
      return;
    }
    this.events.changed(true);
    const waiting = [...this.jobs.values()].some(({id, state}) => !isFinal(state) && id !== this.current);
    if (waiting && (!document.hidden || tells())) this.timer = window.setTimeout(() => void this.list(), ASK_AGAIN);
  }

  async older(): Promise<void> {
    if (!this.next) return;
    try {
      const {jobs, next} = await this.client.assets(this.next, PAGE);
      for (const job of jobs) this.jobs.set(job.id, job);
      this.next = next;
      this.events.changed(false);
    } catch (error) {
      this.events.failed(words.app.olderFailed, error);
    }
  }

  /** A job of this browser has ended while nobody looked. */
  tellOf(job: Job): void {
    const before = this.jobs.get(job.id);
    if (!before || isFinal(before.state) || !isFinal(job.state) || !isMine(job.id)) return;
    tell(job.state === 'done' ? words.app.finished(job.name) : `${job.name}: ${words.app.states[job.state]}`, () => this.events.open(job));
  }

  async rename(job: Job): Promise<void> {
    const name = await (await dialogs()).askText(more.dialogs.renameTitle, more.dialogs.assetName, job.name);
    if (name !== null && name !== job.name) await this.change(job, {name});
  }

  async change(job: Job, change: {name?: string; pinned?: boolean}): Promise<void> {
    try {
      this.events.update(await this.client.change(job.id, change));
      this.events.changed(false);
    } catch (error) {
      this.events.failed(words.app.notChanged(job.name), error);
    }
  }

  async remove(job: Job): Promise<void> {
    const active = !isFinal(this.jobs.get(job.id)?.state ?? job.state);
    const yes = await (await dialogs()).confirmed(active ?
      {title: more.dialogs.cancelTitle(job.name), text: more.dialogs.cancelText, yes: more.dialogs.cancelYes, no: more.dialogs.cancelNo} :
      {title: more.dialogs.deleteTitle(job.name), text: more.dialogs.deleteText, yes: more.dialogs.deleteIt});
    if (!yes) return;
    await this.end(job);
    await this.list();
  }

  /** Asks once for all of them. */
  async removeMany(jobs: readonly Job[]): Promise<boolean> {
    const yes = await (await dialogs()).confirmed({title: more.dialogs.deleteMany(jobs.length), text: more.dialogs.deleteText, yes: more.dialogs.deleteIt});
    if (!yes) return false;
    try {
      const {removeAll} = await import('./api/several.js');
      for (const {id, result, error} of await removeAll(this.client, jobs.map((job) => this.jobs.get(job.id) ?? job))) {
        if (result === 'removed' || error?.code === 'not_found') this.forget(id);
        else if (error) this.notify.warn(words.app.notDeleted(this.jobs.get(id)?.name ?? id), [error.message, error.hint].filter(Boolean).join(' · '));
      }
    } catch (error) {
      this.events.failed('', error);
    }
    await this.list();
    return true;
  }

  private forget(id: string): void {
    this.jobs.delete(id);
    this.events.forgotten(id);
  }

  /** Cancels what runs; what has ended goes, with the files that were made of it. */
  private async end(job: Job): Promise<void> {
    try {
      if (!isFinal(this.jobs.get(job.id)?.state ?? job.state)) return await this.client.remove(job.id);
      for (const child of await this.client.madeFrom(job.id)) if (!child.asset && isFinal(child.state)) await this.gone(child.id);
      await this.gone(job.id);
      this.forget(job.id);
    } catch (error) {
      this.events.failed(words.app.notDeleted(job.name), error);
    }
  }

  private async gone(id: string): Promise<void> {
    try {
      await this.client.remove(id);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
    this.jobs.delete(id);
  }
}
