import type {Client} from '../api/client.js';
import {isAbort} from '../api/errors.js';
import type {JobFile} from '../api/types.js';
import {button, h, icon, saveBlob, segmented} from '../core/dom.js';
import {fileName, metres} from '../core/format.js';
import type {View, Viewer} from '../viewer/viewer.js';
import {InputImages} from './input_images.js';
import type {Notifier} from './notify.js';
import {type Shown, ShownFiles} from './shown_files.js';
import type {ViewerTools} from './viewer_tools.js';
import type {Wipe} from './wipe.js';
import {later, words} from '../core/words.js';

const VIEW_CHOICES = [
  {value: 'splats', label: words.viewer.splats, title: words.viewer.splatsTitle},
  {value: 'textured', label: words.viewer.textured, title: words.viewer.texturedTitle},
  {value: 'clay', label: words.viewer.clay, title: words.viewer.clayTitle},
  {value: 'normals', label: words.viewer.normals, title: words.viewer.normalsTitle},
  {value: 'wireframe', label: words.viewer.wireframe, title: words.viewer.wireframeTitle},
  {value: 'checker', label: words.viewer.checker, title: words.viewer.checkerTitle},
  {value: 'matcap', label: words.viewer.matcap, title: words.viewer.matcapTitle},
  {value: 'layout', label: words.viewer.layout, title: words.viewer.layoutTitle},
] as const;

const NOT_YET: Record<View, string> = {
  splats: words.viewer.noSplats,
  textured: words.viewer.noMesh,
  clay: words.viewer.noMesh,
  normals: words.viewer.noMesh,
  wireframe: words.viewer.noMesh,
  checker: words.viewer.noUv,
  matcap: words.viewer.noMesh,
  layout: words.viewer.noUv,
};

/** The viewer with its bar, and the input beside it. */
export class ViewerPanel {
  readonly element: HTMLElement;
  private readonly canvasPlace = h('div', {class: 'canvas-place', tabindex: 0, role: 'application',
    'aria-label': words.viewer.canvas});
  private readonly message = h('div', {class: 'viewer-message'});
  private readonly scale = h('span', {class: 'scale'});
  private readonly busy = h('span', {class: 'viewer-busy', text: words.viewer.loading, hidden: true});
  private readonly views;
  private readonly bar: HTMLElement;
  private readonly tools: HTMLElement;
  private readonly inputs;
  private readonly split = h('div', {class: 'split'});
  private readonly compare: HTMLButtonElement;
  private viewer: Viewer | null = null;
  private opening: Promise<Viewer | null> | null = null;
  private chosen: View | null = null;
  private readonly files;
  private wipe: Wipe | null = null;
  private more: ViewerTools | null = null;
  private name = 'asset';

  constructor(private readonly client: Client, private readonly notify: Notifier) {
    this.files = new ShownFiles(client, notify, this.busy);
    this.views = segmented<View>(words.viewer.view, VIEW_CHOICES, 'textured', (view) => this.choose(view), false);
    const measure = button({label: words.viewer.grid, icon: 'grid', iconOnly: true, class: 'button quiet', onclick: () => this.toggleMeasure()});
    measure.setAttribute('aria-pressed', 'true');
    this.measureButton = measure;
    this.compare = button({label: words.viewer.compare, icon: 'compare', iconOnly: true, class: 'button quiet', onclick: () => this.toggleCompare()});
    this.compare.setAttribute('aria-pressed', 'false');
    this.bar = h('div', {class: 'viewer-bar'}, this.views.element);
    this.tools = h('div', {class: 'tools', role: 'group', 'aria-label': words.viewer.tools, hidden: true},
      button({label: words.viewer.frame, icon: 'frame', iconOnly: true, class: 'button quiet', onclick: () => this.viewer?.frame()}),
      measure, this.compare,
      button({label: words.viewer.save, icon: 'camera', iconOnly: true, class: 'button quiet', onclick: () => void this.snapshot()}),
      button({label: words.viewer.full, icon: 'full', iconOnly: true, class: 'button quiet', onclick: () => void this.fullScreen()}));
    this.canvasPlace.addEventListener('keydown', (event) => this.key(event));
    this.canvasPlace.append(this.message, this.scale, this.busy);
    this.inputs = new InputImages(client, () => this.toggleCompare());
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
    this.say('image', words.viewer.empty, words.viewer.emptyHint);
  }

  /** Forgets what is shown; the next files belong to another job. */
  reset(): void {
    this.files.reset();
    this.chosen = null;
    this.viewer?.clear();
    this.more?.reset();
    this.wipe?.element.remove();
    this.wipe = null;
    this.element.classList.remove('wiping');
    this.inputs.clear();
    this.quiet();
    this.refresh();
  }

  /** Another asset beside the one in view, behind a line that is moved; null for one alone. */
  async compareWith(other: {file: JobFile; name: string} | null, swap: () => void): Promise<void> {
    this.wipe?.element.remove();
    this.wipe = null;
    this.element.classList.remove('wiping');
    const {signal} = this.files;
    const current = (): boolean => !signal.aborted && this.wipe === wipe;
    if (!other) {
      await this.viewer?.setOther(null, () => !signal.aborted);
      return this.refresh();
    }
    const {Wipe} = await later(() => import('./wipe.js'));
    const viewer = await this.openOrSay();
    if (!viewer || signal.aborted) return;
    const wipe = new Wipe(this.name, other.name, (share) => viewer.setSplit(share), () => {
      void this.compareWith(null, swap);
      this.focus();
    }, swap);
    this.wipe = wipe;
    try {
      const blob = await this.client.file(other.file.url, signal);
      await viewer.setOther(blob, current);
      if (!current()) return;
      this.element.classList.add('wiping');
      this.canvasPlace.append(wipe.element);
      wipe.focus();
      this.refresh();
    } catch (error) {
      if (current() && !isAbort(error)) this.notify.error(words.viewer.notShown(other.name), error);
    }
  }

  focus(): void {
    this.canvasPlace.focus();
  }

  /** A sentence in place of the object. */
  say(mark: 'image' | 'warning', title: string, text: string, ...more: HTMLElement[]): void {
    this.message.hidden = false;
    this.message.classList.toggle('problem', mark === 'warning');
    this.message.classList.toggle('aside', this.viewer?.shows ?? false);  // beside the object, not on it
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
    this.inputs.show(files.images);
    const taken = (): void => this.refresh();
    await Promise.all([
      this.files.load('structure', files.structure, async (blob, current) => (await this.openOrSay())?.setStructure(blob, current), taken),
      this.files.load('splats', files.splats, async (blob, current) => (await this.openOrSay())?.setSplats(blob, current), taken),
      this.files.load('mesh', files.mesh, async (blob, current) => (await this.openOrSay())?.setMesh(blob, current), taken),
    ]);
  }

  /** The viewer, made when first needed; null where there is no WebGL. */
  private open(): Promise<Viewer | null> {
    this.opening ??= this.make();
    return this.opening;
  }

  private async make(): Promise<Viewer | null> {
    if (!hasWebGl()) return null;
    const [{Viewer}, {ViewerTools}] = await Promise.all([import('../viewer/viewer.js'), later(() => import('./viewer_tools.js'))]);
    try {
      this.viewer = new Viewer(this.canvasPlace, (lost) => {
        if (lost) this.say('warning', words.viewer.lost, words.viewer.lostHint);
        else this.quiet();
      });
    } catch {
      return null;
    }
    this.viewer.setMeasured(this.measured);
    this.more = new ViewerTools(this.viewer, this.canvasPlace, this.split, this.notify);
    this.compare.after(...this.more.buttons);
    return this.viewer;
  }

  private async openOrSay(): Promise<Viewer | null> {
    const viewer = await this.open();
    if (!viewer) this.noWebGl();
    return viewer;
  }

  private noWebGl(): void {
    this.say('warning', words.viewer.noWebGl, words.viewer.noWebGlHint);
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
    }
    if (this.viewer?.shows) {
      if (this.message.classList.contains('problem')) this.message.classList.add('aside');
      else this.quiet();
    }
    this.canvasPlace.dataset['view'] = available.size > 0 ? wanted : '';
    this.canvasPlace.dataset['views'] = [...available].join(' ');
    this.canvasPlace.dataset['shows'] = String(this.viewer?.shows ?? false);
    this.scale.textContent = this.viewer?.shows && this.measured && wanted !== 'layout' ? words.viewer.gridOf(metres(this.viewer.cell)) : '';
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
    const image = await this.viewer?.snapshot();
    if (image) saveBlob(image, `${fileName(this.name)}-view.png`);
  }

  private async fullScreen(): Promise<void> {
    try {
      await (document.fullscreenElement ? document.exitFullscreen() : this.element.requestFullscreen());
    } catch (error) {
      this.notify.error(words.viewer.fullFailed, error);
    }
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.viewer || event.target !== this.canvasPlace) return;
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
      ...this.more?.keys,
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
