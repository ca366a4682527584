import type {Job, JobFile, RenderStyle, VideoFormat} from '../api/types.js';
import {button, h, ObjectUrls, prefersStillness, saveBlob} from '../core/dom.js';
import {bytes, fileName} from '../core/format.js';
import {OPTIONS} from '../core/option_table.js';
import {limits} from '../core/options.js';
import type {Backstage} from './backstage.js';
import {waitingFor} from './download_row.js';
import {numberField, selectField} from './fields.js';
import type {Notifier} from './notify.js';
import {more, words} from '../core/words.js';
import {DOWNLOAD, FILM} from '../core/icons_later.js';

const STYLES: readonly {value: RenderStyle; label: string}[] = [
  {value: 'textured', label: words.viewer.textured}, {value: 'clay', label: words.viewer.clay}, {value: 'normals', label: words.viewer.normals},
  {value: 'wireframe', label: words.viewer.wireframe}, {value: 'splats', label: words.viewer.splats},
];
const SIZES = ['256', '512', '768', '1024'] as const;

/** A video of the asset turning once. */
export class Turntable {
  readonly element: HTMLDetailsElement;
  private readonly form = h('div', {class: 'stack'});
  private readonly result = h('div', {class: 'turntable-result'});
  private readonly style = selectField<RenderStyle>(more.video.look, STYLES, 'textured');
  private readonly size = selectField<string>(more.video.size, SIZES.map((value) => ({value, label: `${value} × ${value}`})), String(OPTIONS['turntable.size'].fallback));
  private readonly seconds = numberField({label: more.video.length, ...limits('turntable.seconds'), step: 1, unit: 's'}, OPTIONS['turntable.seconds'].fallback);
  private format = selectField<VideoFormat>(more.video.format, [{value: 'webp', label: 'WEBP'}], 'webp');
  private readonly start: HTMLButtonElement;
  private readonly urls = new ObjectUrls();
  private job: Job | null = null;

  constructor(private readonly backstage: Backstage, private readonly notify: Notifier) {
    this.start = button({label: more.video.make, icon: FILM, class: 'button', onclick: () => void this.make()});
    this.setFormats(['webp']);
    this.element = h('details', {class: 'group'}, h('summary', {text: more.video.title}), h('div', {class: 'stack inside'}, this.form, this.start, this.result));
  }

  setFormats(formats: readonly VideoFormat[]): void {
    this.format = selectField(more.video.format, formats.map((value) => ({value, label: value === 'mp4' ? 'MP4' : more.video.webp})), formats[0] ?? 'webp');
    this.form.replaceChildren(this.style.element, this.size.element, this.seconds.element, this.format.element);
  }

  /** `videos`: jobs that made some of this asset before. */
  show(job: Job, videos: readonly Job[]): void {
    const same = this.job?.id === job.id;
    this.job = job;
    if (same) return;
    this.clear();
    const file = videos.flatMap(({files}) => files).find(({role}) => role === 'video');
    if (file) {
      this.result.replaceChildren(button({label: more.video.downloadLast(bytes(file.bytes)), icon: DOWNLOAD, class: 'button', onclick: () => void this.save(file)}));
    }
  }

  clear(): void {
    this.urls.clear();
    this.result.replaceChildren();
  }

  private async make(): Promise<void> {
    const job = this.job;
    if (!job) return;
    this.start.disabled = true;
    this.clear();
    const making = new AbortController();
    const bar = h('progress', {max: 1, value: 0, 'aria-label': more.video.progress});
    const state = h('span', {class: 'hint turntable-state'});
    let started: Job | null = null;
    let focused = false;
    const cancel = button({label: more.downloads.cancel(more.video.title), icon: 'close', iconOnly: true, class: 'button quiet small', onclick: () => {
      making.abort();
      if (started) this.backstage.client.remove(started.id).catch((error: unknown) => this.notify.error(more.downloads.notCancelled(more.video.title), error));
    }});
    cancel.hidden = true;
    const changed = (now: Job): void => {
      started = now;
      bar.value = now.progress?.fraction ?? 0;
      state.textContent = waitingFor(now);
      cancel.hidden = false;
    };
    this.result.replaceChildren(h('div', {class: 'row'}, bar, state, cancel));
    try {
      const request = {format: this.format.get(), style: this.style.get(), seconds: this.seconds.get(), size: Number(this.size.get())};
      const made = await this.backstage.run(job.id, {turntable: request}, (_, now) => changed(now), making.signal, changed);
      const file = made.files.find(({role}) => role === 'video');
      if (!file) throw new Error(more.video.none);
      if (this.job?.id === job.id) await this.present(file);
    } catch (error) {
      focused = cancel === document.activeElement;
      if (this.job?.id === job.id) this.clear();
      if (!making.signal.aborted) this.notify.error(more.video.notMade, error);
    } finally {
      this.start.disabled = false;
      if (focused) this.start.focus({preventScroll: true});
    }
  }

  private async present(file: JobFile): Promise<void> {
    const url = this.urls.of(await this.backstage.client.file(file.url));
    const moving = file.format === 'mp4' ?
      h('video', {src: url, controls: true, loop: true, autoplay: !prefersStillness(), muted: true, playsinline: true, 'aria-label': more.video.label}) :
      h('img', {src: url, alt: more.video.label});
    this.result.replaceChildren(moving, button({label: more.video.download(bytes(file.bytes)), icon: DOWNLOAD, class: 'button', onclick: () => void this.save(file)}));
    this.result.scrollIntoView({block: 'nearest'});
  }

  private async save(file: JobFile): Promise<void> {
    try {
      saveBlob(await this.backstage.client.file(file.url), `${fileName(this.job?.name ?? 'asset')}-turntable.${file.format}`);
    } catch (error) {
      this.notify.error(more.video.notSaved, error);
    }
  }
}
