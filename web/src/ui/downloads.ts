import type {Job, JobFile} from '../api/types.js';
import {h, icon, saveBlob} from '../core/dom.js';
import {bytes, fileName} from '../core/format.js';
import {type Format, FORMATS, MESH_FORMATS, SPLAT_FORMATS} from '../core/options.js';
import type {Backstage} from './backstage.js';
import type {Notifier} from './notify.js';

const SOURCES = [
  {role: 'latent', label: 'Latent', about: 'decode again'},
  {role: 'asset', label: 'Asset', about: 'as decoded'},
] as const;

/** What a format is for; of those for printing also how large they are. */
function aboutOf({id, about}: Format, job: Job): string {
  const size = job.options.size_mm;
  return size && (id === 'stl' || id === '3mf') ? `${about}, ${size} mm` : about;
}

/** One button per format: those that exist are downloaded, the others made first. */
export class Downloads {
  readonly element = h('div', {class: 'stack'});

  constructor(private readonly backstage: Backstage, private readonly notify: Notifier) {}

  show(job: Job, others: readonly Job[]): void {
    const files = [job, ...others].flatMap(({files: list}) => list);
    const hasSplats = (job.report?.gaussians ?? 1) > 0;
    this.element.replaceChildren(
      h('div', {}, h('h3', {text: 'Download'}), h('p', {class: 'hint', text: 'What is dashed is made when you ask for it.'})),
      this.group(job, 'Mesh', MESH_FORMATS, files),
      ...(hasSplats ? [this.group(job, 'Gaussian splats', SPLAT_FORMATS, files)] : []),
      ...this.sources(job));
  }

  private group(job: Job, title: string, formats: readonly Format[], files: readonly JobFile[]): HTMLElement {
    const rows = formats.map((format) => {
      const file = files.find((one) => one.format === format.id && (one.role === 'result' || (one.role === 'splats' && format.id === 'ply')));
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
    return rows.length > 0 ? [h('div', {class: 'downloads', role: 'group', 'aria-label': 'To go on from'}, h('p', {class: 'label', text: 'To go on from'}), ...rows)] : [];
  }

  private row(job: Job, format: Omit<Format, 'id'> & {id: string}, file: JobFile | null): HTMLElement {
    let known = file;
    const state = h('span', {class: 'download-state', text: known ? bytes(known.bytes) : 'make'});
    const row = h('button', {type: 'button', class: `download ${known === null ? 'absent' : format.id === 'glb' ? 'main' : ''}`, 'data-format': format.id, title: format.about, onclick: () => void act()},
      icon('download'), h('span', {class: 'download-name', text: format.label}), h('span', {class: 'download-about', text: format.about}), state);
    const act = async (): Promise<void> => {
      if (row.getAttribute('aria-busy') === 'true') return;
      row.setAttribute('aria-busy', 'true');
      try {
        known ??= await this.make(job, format, (fraction) => {
          state.textContent = `${Math.floor(fraction * 100)} %`;
        });
        saveBlob(await this.backstage.client.file(known.url), `${fileName(job.name)}.${format.id.replace(/^asset\./, '')}`);
        row.classList.remove('absent');
      } catch (error) {
        this.notify.error(`${format.label} could not be made`, error);
      } finally {
        row.setAttribute('aria-busy', 'false');
        state.textContent = known ? bytes(known.bytes) : 'make';
      }
    };
    return row;
  }

  private async make(job: Job, format: Omit<Format, 'id'> & {id: string}, onprogress: (fraction: number) => void): Promise<JobFile> {
    onprogress(0);
    const formats = FORMATS.filter(({id}) => id === format.id).map(({id}) => id);
    const made = await this.backstage.run(job.id, {formats}, (fraction) => onprogress(fraction));
    const file = made.files.find((one) => one.role === 'result' && one.format === format.id);
    if (!file) throw new Error(`the server made no ${format.label}`);
    return file;
  }
}
