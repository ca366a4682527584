import type {Client} from '../api/client.js';
import {ApiError, isAbort} from '../api/errors.js';
import type {Job, JobFile} from '../api/types.js';
import {button, h, icon, saveBlob, segmented} from '../core/dom.js';
import {fileName, metres} from '../core/format.js';
import type {View, Viewer} from '../viewer/viewer.js';
import {InputPictures} from './input_pictures.js';
import type {Notifier} from './notify.js';

const VIEW_CHOICES = [
  {value: 'splats', label: 'Splats', title: 'The Gaussians (1)'},
  {value: 'textured', label: 'Textured', title: 'Mesh with its texture or colours (2)'},
  {value: 'clay', label: 'Clay', title: 'Shape alone (3)'},
  {value: 'normals', label: 'Normals', title: 'Direction of the surface (4)'},
  {value: 'wireframe', label: 'Wireframe', title: 'Edges of the faces (5)'},
  {value: 'checker', label: 'UV checker', title: 'How the texture lies on the mesh (6)'},
] as const;

const NOT_YET: Record<View, string> = {
  splats: 'There are no Gaussians here',
  textured: 'There is no mesh yet',
  clay: 'There is no mesh yet',
  normals: 'There is no mesh yet',
  wireframe: 'There is no mesh yet',
  checker: 'This mesh has no texture coordinates',
};

/** What the viewer shows of a job: its files, or those that the job it was made from has. */
export interface Shown {
  splats: JobFile | null;
  mesh: JobFile | null;
  pictures: readonly JobFile[];
}

export function shownOf(job: Job, parent: Job | null): Shown {
  const find = (role: string, format?: string): JobFile | null => {
    const fits = (file: JobFile): boolean => file.role === role && (format === undefined || file.format === format);
    return job.files.find(fits) ?? parent?.files.find(fits) ?? null;
  };
  return {
    splats: find('splats') ?? find('result', 'ply'),  // each says in its header where it stands
    mesh: find('result', 'glb') ?? find('mesh', 'glb'),
    pictures: [job, parent].map((one) => one?.files.filter(({role, format}) => role === 'input' && format !== 'safetensors') ?? []).find(({length}) => length > 0) ?? [],
  };
}

/** The viewer with its bar, and the input beside it. */
export class ViewerPanel {
  readonly element: HTMLElement;
  private readonly canvasPlace = h('div', {class: 'canvas-place', tabindex: 0, role: 'application',
    'aria-label': '3D viewer. Arrow keys turn, plus and minus zoom, F frames, G shows the grid, 1 to 6 choose the view.'});
  private readonly message = h('div', {class: 'viewer-message'});
  private readonly scale = h('span', {class: 'scale'});
  private readonly busy = h('span', {class: 'viewer-busy', text: 'Loading…', hidden: true});
  private readonly views;
  private readonly bar: HTMLElement;
  private readonly tools: HTMLElement;
  private readonly inputs;
  private readonly split = h('div', {class: 'split'});
  private readonly compare: HTMLButtonElement;
  private viewer: Viewer | null = null;
  private opening: Promise<Viewer | null> | null = null;
  private chosen: View | null = null;
  private loaded = {splats: '', mesh: ''};
  private generation = 0;
  private abort = new AbortController();
  private name = 'asset';

  constructor(private readonly client: Client, private readonly notify: Notifier) {
    this.views = segmented<View>('View', VIEW_CHOICES, 'textured', (view) => this.choose(view), false);
    const measure = button({label: 'Grid and size (G)', icon: 'grid', iconOnly: true, class: 'button quiet', onclick: () => this.toggleMeasure()});
    measure.setAttribute('aria-pressed', 'true');
    this.measureButton = measure;
    this.compare = button({label: 'Side by side with the input', icon: 'compare', iconOnly: true, class: 'button quiet', onclick: () => this.toggleCompare()});
    this.compare.setAttribute('aria-pressed', 'false');
    this.bar = h('div', {class: 'viewer-bar'}, this.views.element);
    this.tools = h('div', {class: 'tools', role: 'group', 'aria-label': 'Tools of the viewer', hidden: true},
      button({label: 'Frame the object (F)', icon: 'frame', iconOnly: true, class: 'button quiet', onclick: () => this.viewer?.frame()}),
      measure, this.compare,
      button({label: 'Save this view as a picture', icon: 'camera', iconOnly: true, class: 'button quiet', onclick: () => void this.snapshot()}),
      button({label: 'Full screen', icon: 'full', iconOnly: true, class: 'button quiet', onclick: () => void this.fullScreen()}));
    this.canvasPlace.addEventListener('keydown', (event) => this.key(event));
    this.canvasPlace.append(this.message, this.scale, this.busy);
    this.inputs = new InputPictures(client, () => this.toggleCompare());
    this.split.append(this.inputs.element, this.canvasPlace, this.tools);
    this.element = h('div', {class: 'viewer'}, this.split, this.bar);
    this.empty();
  }

  private readonly measureButton: HTMLButtonElement;
  private measured = true;

  get faces(): number {
    return this.viewer?.faces ?? 0;
  }

  /** Nothing to show: how to begin. */
  empty(): void {
    this.reset();
    this.say('picture', 'Drop a picture to begin', 'It becomes a mesh with a texture and a set of Gaussian splats, here on this machine.');
  }

  /** Forgets what is shown; the next files belong to another job. */
  reset(): void {
    ++this.generation;
    this.abort.abort();
    this.abort = new AbortController();
    this.loaded = {splats: '', mesh: ''};
    this.chosen = null;
    this.viewer?.clear();
    this.inputs.clear();
    this.quiet();
    this.refresh();
  }

  focus(): void {
    this.canvasPlace.focus();
  }

  /** A sentence in place of the object. */
  say(mark: 'picture' | 'warning', title: string, text: string, ...more: HTMLElement[]): void {
    this.message.hidden = false;
    this.message.classList.toggle('problem', mark === 'warning');
    this.message.classList.toggle('aside', (this.viewer?.available.size ?? 0) > 0);  // beside the object, not on it
    this.message.replaceChildren(icon(mark), h('h2', {text: title}), text ? h('p', {text}) : '', ...more);
  }

  quiet(): void {
    this.message.hidden = true;
    this.message.classList.remove('problem', 'aside');
  }

  /** Fetches the programs of the viewer ahead of the first file. */
  prepare(): void {
    void this.open().then((viewer) => viewer?.prepare());
  }

  /** Loads what is new of a job's files. */
  async show(files: Shown, name: string): Promise<void> {
    this.name = name;
    this.inputs.show(files.pictures);
    await Promise.all([
      this.load('splats', files.splats, async (blob, current) => (await this.openOrSay())?.setSplats(blob, current)),
      this.load('mesh', files.mesh, async (blob, current) => (await this.openOrSay())?.setMesh(blob, current)),
    ]);
  }

  private async load(what: keyof ViewerPanel['loaded'], file: JobFile | null, take: (blob: Blob, current: () => boolean) => Promise<void> | void): Promise<void> {
    if (!file || this.loaded[what] === file.url) return;
    this.loaded[what] = file.url;
    const generation = this.generation;
    const current = (): boolean => generation === this.generation && this.loaded[what] === file.url;
    this.busy.hidden = false;
    try {
      const blob = await this.client.file(file.url, this.abort.signal);
      if (!current()) return;
      await take(blob, current);
      if (current()) this.refresh();
    } catch (error) {
      if (!current() || isAbort(error)) return;
      this.loaded[what] = '';
      if (file.role === 'mesh' && error instanceof ApiError && error.status === 404) return;  // the finished one took its place
      this.notify.error(`${file.name} could not be shown`, error);
    } finally {
      if (generation === this.generation) this.busy.hidden = true;
    }
  }

  /** The viewer, made when first needed; null where there is no WebGL. */
  private open(): Promise<Viewer | null> {
    this.opening ??= this.make();
    return this.opening;
  }

  private async make(): Promise<Viewer | null> {
    if (!hasWebGl()) return null;
    const {Viewer} = await import('../viewer/viewer.js');
    try {
      this.viewer = new Viewer(this.canvasPlace, (lost) => {
        if (lost) this.say('warning', 'The graphics card took the picture away', 'It comes back by itself; if not, reload the page. No job is lost.');
        else this.quiet();
      });
    } catch {
      return null;
    }
    this.viewer.setMeasured(this.measured);
    return this.viewer;
  }

  private async openOrSay(): Promise<Viewer | null> {
    const viewer = await this.open();
    if (!viewer) this.noWebGl();
    return viewer;
  }

  private noWebGl(): void {
    this.say('warning', 'This browser shows no 3D here',
      'WebGL 2 is missing or switched off. Generating and downloading work all the same; to look at assets, allow hardware acceleration or use another browser.');
  }

  private choose(view: View): void {
    this.chosen = view;
    this.refresh();
  }

  private refresh(): void {
    const available = this.viewer?.available ?? new Set<View>();
    for (const {value} of VIEW_CHOICES) this.views.enable(value, available.has(value), NOT_YET[value]);
    const wanted: View = this.chosen !== null && available.has(this.chosen) ? this.chosen : available.has('textured') ? 'textured' : 'splats';
    if (available.size > 0) {
      this.views.set(wanted);
      this.viewer?.setView(wanted);
      if (this.message.classList.contains('problem')) this.message.classList.add('aside');
      else this.quiet();
    }
    this.canvasPlace.dataset['view'] = available.size > 0 ? wanted : '';
    this.canvasPlace.dataset['views'] = [...available].join(' ');
    this.scale.textContent = available.size > 0 && this.measured && this.viewer ? `Grid ${metres(this.viewer.cell)}` : '';
    this.tools.hidden = this.bar.hidden = available.size === 0;
  }

  private toggleMeasure(): void {
    this.measured = !this.measured;
    this.measureButton.setAttribute('aria-pressed', String(this.measured));
    this.viewer?.setMeasured(this.measured);
    this.refresh();
  }

  private toggleCompare(): void {
    const wide = this.split.classList.toggle('compare');
    this.compare.setAttribute('aria-pressed', String(wide));
    requestAnimationFrame(() => this.viewer?.reframe());
  }

  private async snapshot(): Promise<void> {
    const picture = await this.viewer?.snapshot();
    if (picture) saveBlob(picture, `${fileName(this.name)}-view.png`);
  }

  private async fullScreen(): Promise<void> {
    try {
      await (document.fullscreenElement ? document.exitFullscreen() : this.element.requestFullscreen());
    } catch (error) {
      this.notify.error('Full screen is not possible', error);
    }
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.viewer) return;
    const turn = Math.PI / 24;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => this.viewer?.orbit(-turn, 0, 1),
      ArrowRight: () => this.viewer?.orbit(turn, 0, 1),
      ArrowUp: () => this.viewer?.orbit(0, turn, 1),
      ArrowDown: () => this.viewer?.orbit(0, -turn, 1),
      '+': () => this.viewer?.orbit(0, 0, 1.12),
      '=': () => this.viewer?.orbit(0, 0, 1.12),
      '-': () => this.viewer?.orbit(0, 0, 1 / 1.12),
      f: () => this.viewer?.frame(),
      g: () => this.toggleMeasure(),
    };
    const view = VIEW_CHOICES[Number(event.key) - 1];
    const action = view ? () => this.choose(view.value) : actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

function hasWebGl(): boolean {
  const context = document.createElement('canvas').getContext('webgl2');
  context?.getExtension('WEBGL_lose_context')?.loseContext();
  return context !== null;
}
