import type {Client} from './api/client.js';
import type {Connection} from './api/connection.js';
import {ApiError, explain, isAbort} from './api/errors.js';
import {follow} from './api/follow.js';
import {type FinishOptions, isFinal, type Job} from './api/types.js';
import type {AssetList} from './asset_list.js';
import {button, h} from './core/dom.js';
import {setOf} from './core/drafts.js';
import {families} from './core/families.js';
import {capitalised} from './core/format.js';
import {words} from './core/words.js';
import type {Backstage} from './ui/backstage.js';
import {DetailsLater} from './ui/details_later.js';
import type {Notifier} from './ui/notify.js';
import {ProgressLater} from './ui/progress_later.js';
import {SeedsLater} from './ui/seeds_later.js';
import {shownOf} from './ui/shown_files.js';
import {ViewerPanel} from './ui/viewer_panel.js';

/** The job that the page's address names. */
export function idInAddress(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get('job');
}

export interface ViewActions {
  /** Another asset is in view, or this one has changed. */
  changed(): void;
  /** Shows a job that was started. */
  begin(job: Job): void;
  /** Begins anew with what `origin` was made from and the options of `job`. */
  reuse(origin: Job, job: Job): void;
  share(job: Job): void;
  failed(what: string, error: unknown): void;
}

/** The asset in view: followed as long as it is made, in the viewer, with what is known of it beside. */
export class AssetInView {
  readonly stage: HTMLElement;
  readonly viewer;
  readonly details;
  private readonly progress;
  private readonly seeds;
  private made: Job[] = [];  // from it
  private parent: Job | null = null;
  private following = new AbortController();

  constructor(private readonly client: Client, private readonly connection: Connection, private readonly notify: Notifier, private readonly list: AssetList,
    backstage: Backstage, private readonly actions: ViewActions) {
    this.viewer = new ViewerPanel(client, notify);
    this.progress = new ProgressLater(notify, () => void this.cancel(), () => this.viewer.focus());
    this.seeds = new SeedsLater(client, notify, {open: (job) => this.open(job.id), keep: (job, others) => void this.keepOnly(job, others)});
    this.details = new DetailsLater(backstage, notify, {
      again: (job, options) => this.again(job, options),
      reuse: (job) => this.reuse(job),
      remove: (job) => void list.remove(job),
      rename: (job) => void list.rename(job),
      share: (job) => actions.share(job),
      pin: (job) => void list.change(job, {pinned: !job.pinned}),
      open: (job) => this.open(job.id),
      compare: (one, other) => this.compare(one, other),
    });
    this.stage = h('section', {class: 'stage', 'aria-label': words.viewer.label}, this.progress.element, this.seeds.element, this.viewer.element);
  }

  open(id: string): void {
    if (id === this.list.current) return;
    this.leave();
    this.list.current = id;
    if (idInAddress() !== id) history.pushState(null, '', `#job=${encodeURIComponent(id)}`);
    const known = this.list.jobs.get(id);
    if (known) this.update(known);
    this.actions.changed();
    this.viewer.element.scrollIntoView({block: 'nearest'});  // on a phone it lies below
    void this.keepUp(id, this.following.signal);
  }

  /** The page as at the beginning. */
  close(): void {
    this.leave();
    this.viewer.empty();
    document.title = words.app.title;
    if (location.hash) history.pushState(null, '', location.pathname);
    this.actions.changed();
  }

  private leave(): void {
    this.following.abort();
    this.following = new AbortController();
    this.list.current = null;
    this.parent = null;
    this.made = [];
    this.viewer.reset();
    this.details.clear();
    this.progress.show(null);
    this.drawSeeds(null);
  }

  private async keepUp(id: string, signal: AbortSignal): Promise<void> {
    try {
      const job = await this.connection.patiently(() => this.client.job(id), signal);
      if (job.parent) this.parent = await this.client.job(job.parent).catch(() => null);
      if (signal.aborted) return;
      void this.relatives();
      const done = await follow(this.client, this.connection, id, signal, (next) => this.update(next));
      if (!isFinal(job.state)) this.notify.say(done.state === 'done' ? words.app.finished(done.name) : `${done.name}: ${done.error?.message ?? words.app.states[done.state]}`);
      await this.list.list();
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      const missing = error instanceof ApiError && error.status === 404;
      const {message, hint} = missing ? {message: words.app.gone, hint: words.app.goneHint} : explain(error);
      this.progress.show(null);
      this.viewer.say('warning', message, hint);
    }
  }

  /** A job has changed. */
  update(job: Job): void {
    const before = this.list.jobs.get(job.id);
    this.list.tellOf(job);
    this.list.jobs.set(job.id, job);
    if (job.id !== this.list.current) return;
    if (!isFinal(job.state)) this.viewer.prepare();
    this.progress.show(job);
    this.showDetails(job);
    const percent = job.state === 'running' ? `${Math.floor((job.progress?.fraction ?? 0) * 100)} % · ` : '';
    document.title = `${percent}${job.name} · ${words.app.title}`;
    this.describe(job);
    void this.viewer.show(shownOf(job, this.parent), job.name);
    const shown = ({state, files, progress}: Job): string => [state, files.length, Math.floor((progress?.fraction ?? 0) * 100)].join();
    if (!before || shown(before) !== shown(job)) this.actions.changed();
  }

  /** In place of an object that is not there yet, or will not be. */
  private describe(job: Job): void {
    if (this.viewer.faces > 0 && job.state === 'done') return;
    if (job.state === 'failed' || job.state === 'cancelled') {
      const failed = job.state === 'failed';
      const {message, hint = ''} = !failed ? {message: words.app.cancelled, hint: job.files.some(({role}) => role === 'asset') ?
        words.app.cancelledMesh : words.app.cancelledNothing} :
        job.error ?? {message: words.app.failed, hint: words.app.seeLog};
      this.viewer.say('warning', capitalised(message), capitalised(hint), button({label: words.app.reuse, icon: 'image', class: 'button', onclick: () => this.reuse(job)}));
    } else if (!job.files.some(({role}) => role === 'structure' || role === 'splats' || role === 'mesh' || role === 'result') && !this.parent) {
      this.viewer.say('image', words.app.onItsWay, words.app.onItsWayHint);
    }
  }

  /** Both in one image, under one camera. */
  compare(one: Job, other: Job): void {
    const mesh = shownOf(other, null).mesh;
    if (!mesh) return;
    this.list.jobs.set(other.id, other);
    this.list.jobs.set(one.id, one);
    this.open(one.id);
    void this.viewer.compareWith({file: mesh, name: other.name}, () => {
      this.leave();
      this.compare(other, one);
    });
  }

  /** What was made from the asset in view, asked for again. */
  async relatives(): Promise<void> {
    const id = this.list.current;
    if (!id) return;
    const made = await this.client.madeFrom(id).catch(() => null);
    if (!made || id !== this.list.current) return;
    this.made = made;
    const shown = this.list.jobs.get(id);
    if (shown) this.showDetails(shown);
  }

  /** What the list says of it: its versions, and those that it was started with. */
  refresh(): void {
    this.drawSeeds(this.list.current);
    const inView = this.list.current === null ? undefined : this.list.jobs.get(this.list.current);
    if (inView) this.showDetails(inView);
  }

  /** Of jobs that were started together. */
  private async keepOnly(job: Job, others: readonly Job[]): Promise<void> {
    await this.list.removeMany(others);
    this.drawSeeds(job.id);
  }

  private drawSeeds(id: string | null): void {
    const set = id ? setOf(id).map((one) => this.list.jobs.get(one)).filter((job) => job !== undefined) : [];
    this.seeds.show(set, id);
  }

  private async again(job: Job, options: FinishOptions): Promise<void> {
    try {
      this.actions.begin(await this.client.exports(job.id, options));
    } catch (error) {
      this.actions.failed(words.app.notStarted, error);
    }
  }

  private async cancel(): Promise<void> {
    const id = this.list.current;
    if (!id) return;
    this.progress.cancelling();
    try {
      await this.client.remove(id);
    } catch (error) {
      this.progress.cancelFailed();
      this.actions.failed(words.app.notCancelled, error);
    }
  }

  private reuse(job: Job): void {
    this.actions.reuse(job.kind === 'export' && this.parent ? this.parent : job, job);
  }

  private showDetails(job: Job): void {
    const versions = families(this.list.assets, this.list.jobs).find((family) => family.some(({id}) => id === job.id)) ?? [];
    this.details.show(job, this.made, versions);
  }
}
