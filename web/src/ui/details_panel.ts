import {isFinal, type Job, type MeshReport, type SamplerOptions} from '../api/types.js';
import {button, h} from '../core/dom.js';
import {bytes, capitalised, count, duration} from '../core/format.js';
import {finishOf, finishOptions} from '../core/options.js';
import type {Backstage} from './backstage.js';
import {Downloads} from './downloads.js';
import {FinishFields} from './finish_fields.js';
import type {Notifier} from './notify.js';
import {Turntable} from './turntable.js';

export interface DetailActions {
  again(job: Job, options: ReturnType<typeof finishOptions>): Promise<void>;
  reuse(job: Job): void;
  remove(job: Job): void;
  rename(job: Job): void;
  pin(job: Job): void;
}

/** What is known of the asset in view, its files, and what else can be made of it. */
export class DetailsPanel {
  readonly element = h('section', {class: 'panel details', 'aria-label': 'Asset'});
  private readonly head = h('div', {class: 'stack'});
  private readonly facts = h('dl', {class: 'facts'});
  private readonly settings = h('dl', {class: 'made-with', 'aria-label': 'Made with'});
  private readonly notices = h('ul', {class: 'notices', 'aria-label': 'Notices'});
  private readonly downloads;
  readonly turntable;
  private readonly fields = new FinishFields();
  private readonly again: HTMLDetailsElement;
  private readonly finished: HTMLElement;
  private readonly ended: HTMLElement;
  private readonly pin: HTMLButtonElement;
  private job: Job | null = null;
  private shown = '';

  constructor(backstage: Backstage, notify: Notifier, private readonly actions: DetailActions) {
    this.downloads = new Downloads(backstage, notify);
    this.turntable = new Turntable(backstage, notify);
    const start = button({label: 'Make it again', icon: 'repeat', class: 'button primary', onclick: () => {
      if (!this.job) return;
      start.disabled = true;
      void this.actions.again(this.job, finishOptions(this.fields.get())).finally(() => {
        start.disabled = false;
      });
    }});
    this.again = h('details', {class: 'group again'}, h('summary', {text: 'Make again with other settings'}),
      h('div', {class: 'stack inside'}, h('p', {class: 'hint', text: 'Nothing is sampled: mesh, texture and files are made anew from what was generated.'}), this.fields.element, start));
    this.finished = h('div', {class: 'stack'}, this.downloads.element, this.turntable.element, this.again);
    this.pin = button({label: 'Pin', icon: 'tick', class: 'button', onclick: () => this.job && this.actions.pin(this.job)});
    this.pin.title = 'What is pinned stays, whatever the server clears away';
    this.ended = h('div', {class: 'row wrap'},
      this.pin, button({label: 'Rename', icon: 'frame', class: 'button', onclick: () => this.job && this.actions.rename(this.job)}),
      button({label: 'Use picture and settings', icon: 'picture', class: 'button', onclick: () => this.job && this.actions.reuse(this.job)}),
      button({label: 'Delete', icon: 'trash', class: 'button danger-quiet', onclick: () => this.job && this.actions.remove(this.job)}));
    this.element.append(this.head, this.facts, this.notices, this.finished, this.settings, this.ended);
    this.clear();
  }

  clear(): void {
    this.job = null;
    this.shown = '';
    this.element.hidden = true;
    this.turntable.clear();
  }

  /** `family`: all jobs that were made from this one. */
  show(job: Job, family: readonly Job[]): void {
    const key = JSON.stringify([job.id, job.name, job.pinned, job.state, job.files, job.notices, family.map(({id, state}) => [id, state])]);
    const other = this.job?.id !== job.id;
    this.job = job;
    if (key === this.shown) return;
    this.shown = key;
    this.element.hidden = false;
    this.head.replaceChildren(h('h2', {class: 'asset-name', text: job.name}), h('p', {class: 'hint', text: about(job)}));
    fill(this.facts, facts(job));
    fill(this.settings, settings(job));
    this.notices.replaceChildren(...job.notices.map((text) => h('li', {text: capitalised(text)})));
    this.notices.hidden = job.notices.length === 0;
    this.pin.setAttribute('aria-pressed', String(job.pinned));
    this.pin.querySelector('span')?.replaceChildren(job.pinned ? 'Pinned' : 'Pin');
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
  if (job.kind === 'export') parts.push('made again');
  if (job.kind === 'latent') parts.push('from a saved latent');
  if (job.kind === 'text') parts.push('from a prompt');
  const seconds = job.started && job.finished ? (Date.parse(job.finished) - Date.parse(job.started)) / 1000 : null;
  if (seconds !== null) parts.push(`${job.state === 'done' ? 'made in' : 'after'} ${duration(seconds)}`);
  return job.state === 'done' ? capitalised(parts.join(' · ')) : capitalised([job.state, ...parts].join(' · '));
}

type Row = readonly [name: string, value: string, about?: string | undefined];

function facts(job: Job): Row[] {
  const rows: Row[] = [];
  const report: MeshReport = job.report ?? {};
  const add = (name: string, value: number | undefined, about?: string): void => {
    if (value !== undefined && value !== null) rows.push([name, count(value), about]);
  };
  add('Faces', report.faces);
  add('Vertices', report.vertices);
  if (report.watertight !== undefined && report.faces) {
    if (report.watertight) rows.push(['Watertight', 'yes', 'No edge has one face only']);
    else add('Open edges', report.boundary_edges ?? 0, 'Edges with one face only: the mesh is not watertight');
  }
  if (typeof report.hidden_share === 'number') rows.push(['Hidden', percent(report.hidden_share), 'Share of the area that cannot be seen from outside']);
  if (report.charts) add('Charts', report.charts, 'Pieces that the surface is unwrapped into');
  if (report.charts && report.texture_use) rows.push(['Texture used', `${Math.round(report.texture_use * 100)} %`, 'Share of the texels that lie on the surface']);
  if (report.charts && report.mean_stretch) rows.push(['Stretch', report.mean_stretch.toFixed(2), 'Of the texture on the surface; 1 is none']);
  add('Gaussians', report.gaussians || undefined);
  const glb = job.files.find(({role, format}) => role === 'result' && format === 'glb');
  if (glb) rows.push(['GLB', bytes(glb.bytes), 'Size of the file that the viewer shows']);
  return rows;
}

function percent(share: number): string {
  return share > 0 && share < 0.0001 ? 'below 0.01 %' : `${(100 * share).toFixed(share > 0 ? 2 : 0)} %`;
}

/** What it was made with. */
function settings(job: Job): Row[] {
  const {structure, latent, texture_size: texture, seed} = job.options;
  const rows: Row[] = [];
  const sampler = (name: string, given: SamplerOptions | undefined): void => {
    if (typeof given?.steps !== 'number') return;
    rows.push([name, `${given.steps} steps${typeof given.guidance === 'number' ? `, guidance ${given.guidance}` : ''}`]);
  };
  if (job.options.prompt) rows.push(['Prompt', job.options.prompt]);
  if (job.kind === 'image' || job.kind === 'text') {
    const pictures = job.files.filter(({role}) => role === 'input').length;
    if (pictures > 1) rows.push(['Pictures', String(pictures)]);
    if (typeof seed === 'number') rows.push(['Seed', String(seed)]);
    sampler('Stage 1', structure);
    sampler('Stage 2', latent);
  }
  if (!job.options.raw_mesh && job.options.texture !== false && texture) rows.push(['Texture', `${texture} × ${texture}`]);
  return rows;
}
