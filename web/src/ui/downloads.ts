import type {Job, JobFile, Origin} from '../api/types.js';
import {button, h, icon, saveBlob, uniqueId} from '../core/dom.js';
import {bytes, fileName} from '../core/format.js';
import {OPTIONS} from '../core/option_table.js';
import {type Format, FORMATS, MESH_FORMATS, SPLAT_FORMATS} from '../core/formats.js';
import {limits, samePlace} from '../core/options.js';
import type {Backstage} from './backstage.js';
import {selectField} from './fields.js';
import type {Notifier} from './notify.js';
import {more} from '../core/words.js';
import {DOWNLOAD} from '../core/icons_later.js';

const SOURCES = [
  {role: 'latent', label: more.downloads.latent, about: more.downloads.latentAbout},
  {role: 'asset', label: more.downloads.asset, about: more.downloads.assetAbout},
] as const;

const ORIGINS: readonly {value: Origin; label: string}[] = [
  {value: 'auto', label: more.downloads.onFloor}, {value: 'centre', label: more.downloads.centre}, {value: 'source', label: more.downloads.asSampled}];

/** What a format is for; of those for printing also how large they are. */
function aboutOf({id, about}: Format, job: Job): string {
  const size = job.options.size_mm;
  return size && (id === 'stl' || id === '3mf') ? `${about}, ${size} mm` : about;
}

/** One button per format: those that exist are downloaded, the others made first. */
export class Downloads {
  readonly element = h('div', {class: 'stack'});
  private place: {origin: Origin; height_m: number | null} = {origin: OPTIONS.origin.fallback, height_m: null};
  private shown: {job: Job; others: readonly Job[]} | null = null;

  constructor(private readonly backstage: Backstage, private readonly notify: Notifier) {}

  show(job: Job, others: readonly Job[]): void {
    if (this.shown?.job.id !== job.id) this.place = {origin: job.options.origin ?? OPTIONS.origin.fallback, height_m: job.options.height_m ?? null};
    this.shown = {job, others};
    const files = [job, ...others].filter(({options}) => samePlace(options, this.place)).flatMap(({files: list}) => list);
    const hasSplats = (job.report?.gaussians ?? 1) > 0;
    this.element.replaceChildren(
      h('div', {}, h('h3', {text: more.downloads.title}), h('p', {class: 'hint', text: more.downloads.hint})),
      this.places(),
      this.group(job, more.downloads.mesh, MESH_FORMATS, files),
      ...(hasSplats ? [this.group(job, more.downloads.splats, SPLAT_FORMATS, files)] : []),
      ...this.sources(job));
  }

  /** How high the object is, and which of its points lies at the origin; other files than those that are there are made. */
  private places(): HTMLElement {
    const {min, max} = limits('height_m');
    const changed = (): void => {
      if (this.shown) this.show(this.shown.job, this.shown.others);
    };
    const id = uniqueId('height');
    const height = h('input', {type: 'number', id, min, max, step: 'any', placeholder: more.downloads.asItIs, value: this.place.height_m ?? ''});
    height.addEventListener('change', () => {
      const value = height.valueAsNumber;
      this.place.height_m = Number.isFinite(value) && value >= min && value <= max ? value : null;
      changed();
    });
    const origin = selectField<Origin>(more.downloads.origin, ORIGINS, this.place.origin);
    origin.element.addEventListener('change', () => {
      this.place.origin = origin.get();
      changed();
    });
    return h('div', {class: 'row wrap places'},
      h('div', {class: 'field'}, h('label', {class: 'label', for: id, text: more.downloads.height}), height), origin.element);
  }

  private group(job: Job, title: string, formats: readonly Format[], files: readonly JobFile[]): HTMLElement {
    const rows = formats.map((format) => {
      const file = files.find((one) => one.format === format.id && one.role === 'result');
      return this.row(job, {...format, about: aboutOf(format, job)}, file ?? null);
    });
    return h('div', {class: 'downloads', role: 'group', 'aria-label': title}, h('p', {class: 'label', text: title}), ...rows);
  }

  /** What "espalier export" and the page start from again. */
  private sources(job: Job): HTMLElement[] {
    const rows = SOURCES.flatMap(({role, label, about}) => {
      const file = job.files.find((one) => one.role === role);
      return file ? [this.row(job, {id: file.name, label, about}, file)] : [];
    });
    return rows.length > 0 ? [h('div', {class: 'downloads', role: 'group', 'aria-label': more.downloads.goOn}, h('p', {class: 'label', text: more.downloads.goOn}), ...rows)] : [];
  }

  private row(job: Job, format: Omit<Format, 'id'> & {id: string}, file: JobFile | null): HTMLElement {
    let known = file;
    let making: AbortController | null = null;
    let started: Job | null = null;
    const state = h('span', {class: 'download-state', text: known ? bytes(known.bytes) : more.downloads.make});
    const row = h('button', {type: 'button', class: `download ${known === null ? 'absent' : format.id === 'glb' ? 'main' : ''}`, 'data-format': format.id, title: format.about, onclick: () => void act()},
      icon(DOWNLOAD), h('span', {class: 'download-name', text: format.label}), h('span', {class: 'download-about', text: format.about}), state);
    const cancel = button({label: more.downloads.cancel(format.label), icon: 'close', iconOnly: true, class: 'button quiet small download-cancel', onclick: () => {
      cancel.hidden = true;
      making?.abort();
      if (started) this.backstage.client.remove(started.id).catch((error: unknown) => this.notify.error(more.downloads.notCancelled(format.label), error));
      row.focus();
    }});
    cancel.hidden = true;
    const act = async (): Promise<void> => {
      if (row.getAttribute('aria-busy') === 'true') return;
      row.setAttribute('aria-busy', 'true');
      making = new AbortController();
      try {
        known ??= await this.make(job, format, making.signal, (made) => {
          started = made;
          cancel.hidden = making?.signal.aborted ?? true;
          state.textContent = waitingFor(made);
        });
        saveBlob(await this.backstage.client.file(known.url), `${fileName(job.name)}.${format.id.replace(/^asset\./, '')}`);
        row.classList.remove('absent');
      } catch (error) {
        if (!making.signal.aborted) this.notify.error(more.downloads.notMade(format.label), error);
      } finally {
        row.setAttribute('aria-busy', 'false');
        cancel.hidden = true;
        state.textContent = known ? bytes(known.bytes) : more.downloads.make;
      }
    };
    return h('div', {class: 'download-row'}, row, cancel);
  }

  private async make(job: Job, format: Omit<Format, 'id'> & {id: string}, signal: AbortSignal, changed: (made: Job) => void): Promise<JobFile> {
    const formats = FORMATS.filter(({id}) => id === format.id).map(({id}) => id);
    const made = await this.backstage.run(job.id, {formats, ...this.place}, (_, now) => changed(now), signal, changed);
    const file = made.files.find((one) => one.role === 'result' && one.format === format.id);
    if (!file) throw new Error(more.downloads.madeNo(format.label));
    return file;
  }
}

/** What a file that is asked for waits for, in a few characters. */
function waitingFor({state, position, progress}: Job): string {
  if (state === 'queued') return position ? more.downloads.waitsBehind(position) : more.downloads.waits;
  return `${Math.floor((progress?.fraction ?? 0) * 100)} %`;
}
