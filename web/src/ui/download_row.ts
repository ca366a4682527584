import type {Job, JobFile, ResultFormat} from '../api/types.js';
import {button, h, icon, saveBlob} from '../core/dom.js';
import {bytes, fileName} from '../core/format.js';
import type {Place} from '../core/options.js';
import {more} from '../core/words.js';
import type {Backstage} from './backstage.js';
import type {Notifier} from './notify.js';
import {DOWNLOAD} from '../core/icons_later.js';

/** A format, or a file of the job by its name. */
export interface Wanted {
  id: string;
  format: ResultFormat | null;  // null: the file is there, and cannot be made
  label: string;
  about: string;
}

/** A file of an asset: saved where it is there, made first where it is not. The row stays the same element for as long as it works. */
export class DownloadRow {
  readonly element: HTMLElement;
  private readonly about;
  private readonly state = h('span', {class: 'download-state'});
  private readonly save: HTMLButtonElement;
  private readonly stop: HTMLButtonElement;
  private listed: JobFile | null = null;  // what the server told of it
  private made: JobFile | null = null;    // what this row had made, until that is listed
  private making: AbortController | null = null;
  private started: Job | null = null;

  constructor(private readonly backstage: Backstage, private readonly notify: Notifier, private job: Job, private readonly wanted: Wanted, private readonly place: Place) {
    this.about = h('span', {class: 'download-about'});
    this.save = h('button', {type: 'button', class: 'download', 'data-format': wanted.id, onclick: () => void this.act()},
      icon(DOWNLOAD), h('span', {class: 'download-name', text: wanted.label}), this.about, this.state);
    this.stop = button({label: more.downloads.cancel(wanted.label), icon: 'close', iconOnly: true, class: 'button quiet small download-cancel', onclick: () => this.cancel()});
    this.stop.hidden = true;
    this.element = h('div', {class: 'download-row'}, this.save, this.stop);
  }

  private get known(): JobFile | null {
    return this.listed ?? this.made;
  }

  get busy(): boolean {
    return this.making !== null;
  }

  /** `file`: what there is of it by now. */
  show(job: Job, about: string, file: JobFile | null): void {
    this.job = job;
    this.listed = file;
    this.about.textContent = about;
    this.save.title = about;
    this.draw();
  }

  private draw(): void {
    this.save.setAttribute('aria-busy', String(this.busy));
    this.save.classList.toggle('absent', this.known === null);
    this.save.classList.toggle('main', this.known !== null && this.wanted.id === 'glb');
    if (this.making && this.started) this.state.textContent = waitingFor(this.started);
    else this.state.textContent = this.known ? bytes(this.known.bytes) : more.downloads.make;
    const stoppable = this.started !== null && !this.making?.signal.aborted;
    if (!stoppable && this.stop === document.activeElement) this.save.focus();
    this.stop.hidden = !stoppable;
  }

  private cancel(): void {
    const {started} = this;
    if (!started) return;
    this.making?.abort();
    this.backstage.client.remove(started.id).catch((error: unknown) => this.notify.error(more.downloads.notCancelled(this.wanted.label), error));
  }

  private async act(): Promise<void> {
    if (this.making) return;
    const making = this.making = new AbortController();
    this.draw();
    try {
      const file = this.known ?? (this.made = await this.make(making.signal));
      saveBlob(await this.backstage.client.file(file.url), `${fileName(this.job.name)}.${this.wanted.id.replace(/^asset\./, '')}`);
    } catch (error) {
      this.made = null;
      if (!making.signal.aborted) this.notify.error(more.downloads.notMade(this.wanted.label), error);
    } finally {
      this.making = null;
      this.started = null;
      this.draw();
    }
  }

  private async make(signal: AbortSignal): Promise<JobFile> {
    const {format} = this.wanted;
    const changed = (job: Job): void => {
      this.started = job;
      this.draw();
    };
    const made = await this.backstage.run(this.job.id, {formats: format ? [format] : [], ...this.place}, (_, job) => changed(job), signal, changed);
    const file = made.files.find((one) => one.role === 'result' && one.format === format);
    if (!file) throw new Error(more.downloads.madeNo(this.wanted.label));
    return file;
  }
}

/** What a file that is asked for waits for, in a few characters. */
export function waitingFor({state, position, progress}: Job): string {
  if (state === 'queued') return position ? more.downloads.waitsBehind(position) : more.downloads.waits;
  return `${Math.floor((progress?.fraction ?? 0) * 100)} %`;
}
