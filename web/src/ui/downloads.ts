import type {Job, JobFile, Origin} from '../api/types.js';
import {h, uniqueId} from '../core/dom.js';
import {OPTIONS} from '../core/option_table.js';
import {type Format, MESH_FORMATS, SPLAT_FORMATS} from '../core/formats.js';
import {limits, type Place, samePlace} from '../core/options.js';
import type {Backstage} from './backstage.js';
import {DownloadRow, type Wanted} from './download_row.js';
import {selectField} from './fields.js';
import type {Notifier} from './notify.js';
import {more} from '../core/words.js';

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
  private readonly groups = h('div', {class: 'stack'});
  private readonly height;
  private readonly origin = selectField<Origin>(more.downloads.origin, ORIGINS, OPTIONS.origin.fallback, () => this.moved());
  private place: Place = {origin: OPTIONS.origin.fallback, height_m: null};
  private shown: {job: Job; others: readonly Job[]} | null = null;
  private rows = new Map<string, DownloadRow>();  // those that are seen, and those that work

  constructor(private readonly backstage: Backstage, private readonly notify: Notifier) {
    const {min, max} = limits('height_m');
    const id = uniqueId('height');
    this.height = h('input', {type: 'number', id, min, max, step: 'any', placeholder: more.downloads.asItIs, onchange: () => this.moved()});
    this.element.append(
      h('div', {}, h('h3', {text: more.downloads.title}), h('p', {class: 'hint', text: more.downloads.hint})),
      h('div', {class: 'row wrap places'}, h('div', {class: 'field'}, h('label', {class: 'label', for: id, text: more.downloads.height}), this.height), this.origin.element),
      this.groups);
  }

  show(job: Job, others: readonly Job[]): void {
    if (this.shown?.job.id !== job.id) {
      this.place = {origin: job.options.origin ?? OPTIONS.origin.fallback, height_m: job.options.height_m ?? null};
      this.height.value = String(this.place.height_m ?? '');
      this.origin.set(this.place.origin);
    }
    this.shown = {job, others};
    const files = [job, ...others].filter(({options}) => samePlace(options, this.place)).flatMap(({files: list}) => list);
    const hasSplats = (job.report?.gaussians ?? 1) > 0;
    const before = this.rows;
    const focused = document.activeElement;
    this.rows = new Map([...before].filter(([, row]) => row.busy));
    this.groups.replaceChildren(
      this.group(before, job, more.downloads.mesh, MESH_FORMATS, files),
      ...(hasSplats ? [this.group(before, job, more.downloads.splats, SPLAT_FORMATS, files)] : []),
      ...this.sources(before, job));
    if (focused instanceof HTMLElement && this.groups.contains(focused)) focused.focus({preventScroll: true});
  }

  /** How high the object is, or which of its points lies at the origin, was changed: other files than those that are there are made. */
  private moved(): void {
    const {min, max} = limits('height_m');
    const value = this.height.valueAsNumber;
    this.place = {origin: this.origin.get(), height_m: Number.isFinite(value) && value >= min && value <= max ? value : null};
    this.height.value = String(this.place.height_m ?? '');
    if (this.shown) this.show(this.shown.job, this.shown.others);
  }

  private group(before: ReadonlyMap<string, DownloadRow>, job: Job, title: string, formats: readonly Format[], files: readonly JobFile[]): HTMLElement {
    const rows = formats.map((format) => {
      const file = files.find((one) => one.format === format.id && one.role === 'result');
      return this.row(before, job, {...format, format: format.id, about: aboutOf(format, job)}, file ?? null);
    });
    return titled(title, rows);
  }

  /** What "espalier export" and the page start from again. */
  private sources(before: ReadonlyMap<string, DownloadRow>, job: Job): HTMLElement[] {
    const rows = SOURCES.flatMap(({role, label, about}) => {
      const file = job.files.find((one) => one.role === role);
      return file ? [this.row(before, job, {id: file.name, format: null, label, about}, file)] : [];
    });
    return rows.length > 0 ? [titled(more.downloads.goOn, rows)] : [];
  }

  private row(before: ReadonlyMap<string, DownloadRow>, job: Job, wanted: Wanted, file: JobFile | null): HTMLElement {
    const key = [job.id, wanted.id, this.place.origin, this.place.height_m].join(' ');
    const row = before.get(key) ?? new DownloadRow(this.backstage, this.notify, job, wanted, this.place);
    this.rows.set(key, row);
    row.show(job, wanted.about, file);
    return row.element;
  }
}

function titled(title: string, rows: readonly HTMLElement[]): HTMLElement {
  return h('div', {class: 'downloads', role: 'group', 'aria-label': title}, h('p', {class: 'label', text: title}), ...rows);
}
