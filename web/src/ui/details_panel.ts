import '../style/details.css';
import {isFinal, type Job, type MeshReport, type SamplerOptions} from '../api/types.js';
import {button, h} from '../core/dom.js';
import {bytes, capitalised, count, decimal, duration} from '../core/format.js';
import {mapsOf} from '../core/formats.js';
import {finishOf, finishOptions} from '../core/options.js';
import type {Backstage} from './backstage.js';
import {Downloads} from './downloads.js';
import {FinishFields} from './finish_fields.js';
import type {Notifier} from './notify.js';
import {Turntable} from './turntable.js';
import {Versions} from './versions.js';
import {locale, more, words} from '../core/words.js';
import {PENCIL} from '../core/icons_later.js';

export interface DetailActions {
  again(job: Job, options: ReturnType<typeof finishOptions>): Promise<void>;
  reuse(job: Job): void;
  remove(job: Job): void;
  rename(job: Job): void;
  pin(job: Job): void;
  share(job: Job): void;
  open(job: Job): void;
  compare(one: Job, other: Job): void;
}

/** What is known of the asset in view, its files, and what else can be made of it. */
export class DetailsPanel {
  private readonly head = h('div', {class: 'stack'});
  private readonly facts = h('dl', {class: 'facts'});
  private readonly settings = h('dl', {class: 'made-with', 'aria-label': more.details.madeWith});
  private readonly notices = h('ul', {class: 'notices', 'aria-label': more.details.notices});
  private readonly downloads;
  private readonly versions;
  readonly turntable;
  private readonly fields = new FinishFields();
  private readonly again: HTMLDetailsElement;
  private readonly finished: HTMLElement;
  private readonly ended: HTMLElement;
  private readonly pin: HTMLButtonElement;
  private job: Job | null = null;
  private shown = '';

  constructor(private readonly element: HTMLElement, backstage: Backstage, notify: Notifier, private readonly actions: DetailActions) {
    this.downloads = new Downloads(backstage, notify);
    this.versions = new Versions(backstage.client, this.actions);
    this.turntable = new Turntable(backstage, notify);
    const start = button({label: more.details.makeAgain, icon: 'repeat', class: 'button primary', onclick: () => {
      if (!this.job) return;
      start.disabled = true;
      void this.actions.again(this.job, finishOptions(this.fields.get())).finally(() => {
        start.disabled = false;
      });
    }});
    this.again = h('details', {class: 'group again'}, h('summary', {text: more.details.again}),
      h('div', {class: 'stack inside'}, h('p', {class: 'hint', text: more.details.againHint}), this.fields.element, start));
    this.finished = h('div', {class: 'stack'}, this.downloads.element, this.turntable.element, this.again);
    this.pin = button({label: more.details.pin, icon: 'tick', class: 'button', onclick: () => this.job && this.actions.pin(this.job)});
    this.pin.title = more.details.pinTitle;
    this.ended = h('div', {class: 'row wrap'},
      this.pin, button({label: more.share.copyLink, icon: 'open', class: 'button', onclick: () => this.job && this.actions.share(this.job)}),
      button({label: more.details.rename, icon: PENCIL, class: 'button', onclick: () => this.job && this.actions.rename(this.job)}),
      button({label: words.app.reuse, icon: 'image', class: 'button', onclick: () => this.job && this.actions.reuse(this.job)}),
      button({label: more.dialogs.deleteIt, icon: 'trash', class: 'button danger-quiet', onclick: () => this.job && this.actions.remove(this.job)}));
    this.element.append(this.head, this.facts, this.notices, this.versions.element, this.finished, this.settings, this.ended);
    this.clear();
  }

  clear(): void {
    this.job = null;
    this.shown = '';
    this.element.hidden = true;
    this.turntable.clear();
  }

  /** `family`: all jobs that were made from this one; `versions`: all assets of the same input, newest first. */
  show(job: Job, family: readonly Job[], versions: readonly Job[]): void {
    this.versions.show(job, versions);
    const key = JSON.stringify([job.id, job.name, job.pinned, job.state, job.files, job.notices, family.map(({id, state}) => [id, state])]);
    const other = this.job?.id !== job.id;
    this.job = job;
    if (key === this.shown) return;
    this.shown = key;
    this.element.hidden = false;
    this.head.replaceChildren(h('h2', {class: 'asset-name', dir: 'auto', text: job.name}), h('p', {class: 'hint', text: about(job)}));
    fill(this.facts, facts(job));
    fill(this.settings, settings(job));
    this.notices.replaceChildren(...job.notices.map((text) => h('li', {text: capitalised(text)})));
    this.notices.hidden = job.notices.length === 0;
    this.pin.setAttribute('aria-pressed', String(job.pinned));
    this.pin.querySelector('span')?.replaceChildren(job.pinned ? more.details.pinned : more.details.pin);
    // A job that ended early can be finished and exported from what was decoded.
    const done = isFinal(job.state) && (job.state === 'done' || job.files.some(({role}) => role === 'asset'));
    this.finished.hidden = !done;
    this.ended.hidden = !isFinal(job.state);
    if (!done) return;
    const made = family.filter(({state}) => state === 'done');
    this.downloads.show(job, made.filter(({options, asset}) => !asset && !options.turntable));
    this.turntable.show(job, made.filter(({options}) => options.turntable));
    if (other) {
      this.fields.set(finishOf(job.options));
      this.again.open = false;
    }
  }
}

function fill(list: HTMLElement, rows: readonly Row[]): void {
  list.replaceChildren(...rows.map(([name, value, about]) => h('div', {title: about}, h('dt', {text: name}), h('dd', {text: value}))));
}

function about(job: Job): string {
  const parts: string[] = [];
  if (job.kind === 'export') parts.push(more.details.wasMadeAgain);
  if (job.kind === 'latent') parts.push(more.details.fromLatent);
  if (job.kind === 'text') parts.push(more.details.fromPrompt);
  const seconds = job.started && job.finished ? (Date.parse(job.finished) - Date.parse(job.started)) / 1000 : null;
  if (seconds !== null) parts.push(job.state === 'done' ? more.details.madeIn(duration(seconds)) : more.details.after(duration(seconds)));
  return job.state === 'done' ? capitalised(parts.join(' · ')) : capitalised([words.app.states[job.state], ...parts].join(' · '));
}

type Row = readonly [name: string, value: string, about?: string | undefined];

function facts(job: Job): Row[] {
  const rows: Row[] = [];
  const report: MeshReport = job.report ?? {};
  const add = (name: string, value: number | undefined, about?: string): void => {
    if (value !== undefined && value !== null) rows.push([name, count(value), about]);
  };
  add(more.details.faces, report.faces, more.details.facesAbout);
  add(more.details.vertices, report.vertices, more.details.verticesAbout);
  if (report.watertight !== undefined && report.faces) {
    if (report.watertight) rows.push([more.details.watertight, more.details.yes, more.details.watertightAbout]);
    else add(more.details.openEdges, report.boundary_edges ?? 0, more.details.openEdgesAbout);
  }
  if (typeof report.hidden_share === 'number') rows.push([more.details.hidden, percent(report.hidden_share), more.details.hiddenAbout]);
  if (report.charts) add(more.details.charts, report.charts, more.details.chartsAbout);
  if (report.charts && report.texture_use) rows.push([more.details.textureUsed, `${Math.round(report.texture_use * 100)} %`, more.details.textureUsedAbout]);
  if (report.charts && report.mean_stretch) rows.push([more.details.stretch, decimal(report.mean_stretch, 2), more.details.stretchAbout]);
  add(more.details.gaussians, report.gaussians || undefined, more.details.gaussiansAbout);
  const glb = job.files.find(({role, format}) => role === 'result' && format === 'glb');
  if (glb) rows.push(['GLB', bytes(glb.bytes), more.details.glbAbout]);
  return rows;
}

function percent(share: number): string {
  return share > 0 && share < 0.0001 ? more.details.below(decimal(0.01, 2)) : `${decimal(100 * share, share > 0 ? 2 : 0)} %`;
}

/** What it was made with. */
function settings(job: Job): Row[] {
  const {structure, latent, texture_size: texture, seed} = job.options;
  const rows: Row[] = [];
  const sampler = (name: string, given: SamplerOptions | undefined): void => {
    if (typeof given?.steps !== 'number') return;
    rows.push([name, more.details.steps(given.steps) + (typeof given.guidance === 'number' ? `, ${more.details.guidance(given.guidance.toLocaleString(locale))}` : '')]);
  };
  if (job.options.prompt) rows.push([more.details.prompt, job.options.prompt]);
  if (job.kind === 'image' || job.kind === 'text') {
    const images = job.files.filter(({role}) => role === 'input').length;
    if (images > 1) rows.push([more.details.images, String(images)]);
    if (typeof seed === 'number') rows.push([more.details.seed, String(seed)]);
    sampler(more.details.stage1, structure);
    sampler(more.details.stage2, latent);
  }
  if (!job.options.raw_mesh && job.options.texture !== false && texture) {
    rows.push([more.details.texture, `${texture} × ${texture}`]);
    const {maps, delight} = finishOf(job.options);
    if (maps.length > 0) rows.push([more.finish.maps, mapsOf(maps)]);
    if (delight > 0) rows.push([more.finish.delight, delight.toLocaleString(locale)]);
  }
  return rows;
}
