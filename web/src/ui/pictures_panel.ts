import {explain, isAbort} from '../api/errors.js';
import type {Client} from '../api/client.js';
import type {Background, Example} from '../api/types.js';
import {button, h, icon, segmented} from '../core/dom.js';
import {bytes, capitalised, stem} from '../core/format.js';
import type {Notifier} from './notify.js';

interface Picture {
  file: File;
  tile: HTMLElement;
  original: string;
  cutout: string | null;
  abort: AbortController;
  failed: boolean;
  ready: boolean;
}

const KINDS = 'image/png,image/jpeg,image/webp,.safetensors';

/** What an asset is made from: pictures with their cut-outs, or a saved latent. */
export class PicturesPanel {
  readonly element: HTMLElement;
  background: Background = 'automatic';
  private readonly pictures: Picture[] = [];
  private latentFile: File | null = null;
  private readonly list = h('ul', {class: 'pictures', 'aria-label': 'Chosen pictures'});
  private readonly drop: HTMLElement;
  private readonly input = h('input', {type: 'file', accept: KINDS, multiple: true, class: 'hidden', id: 'picture-files'});
  private readonly backgrounds;
  private readonly examples = h('div', {class: 'examples', role: 'group', 'aria-label': 'Examples'});
  private maxImages = 8;
  private maxBytes = Infinity;

  constructor(private readonly client: Client, private readonly notify: Notifier, private readonly onchange: () => void) {
    this.backgrounds = segmented<Background>('Background', [
      {value: 'automatic', label: 'Automatic', title: 'The alpha channel if there is one, else a plain background is removed'},
      {value: 'alpha', label: 'Alpha', title: 'The alpha channel; a picture without one is refused'},
      {value: 'none', label: 'None', title: 'The picture as it is'},
    ], 'automatic', (value) => {
      this.background = value;
      for (const picture of this.pictures) void this.cut(picture);
    });
    this.input.addEventListener('change', () => {
      this.add([...(this.input.files ?? [])]);
      this.input.value = '';
    });
    this.drop = h('label', {class: 'drop', for: this.input.id}, icon('picture'),
      h('span', {class: 'drop-title', text: 'Drop, paste or choose a picture'}),
      h('span', {class: 'hint', text: 'PNG, JPEG or WebP. Several pictures are views of one object.'}));
    this.element = h('div', {class: 'stack'}, h('h2', {text: 'Picture'}), this.input, this.drop, this.list, this.backgrounds.element,
      h('p', {class: 'label', text: 'Or try one of these'}), this.examples);
    this.backgrounds.element.hidden = true;
    this.listen();
  }

  get files(): readonly File[] {
    return this.pictures.map((picture) => picture.file);
  }

  get latent(): File | null {
    return this.latentFile;
  }

  get name(): string {
    const first = this.latentFile ?? this.pictures[0]?.file;
    return first ? stem(first.name) : 'asset';
  }

  /** Something is there, and none of it was refused. */
  get usable(): boolean {
    return this.latentFile !== null || (this.pictures.length > 0 && this.pictures.every((picture) => !picture.failed && picture.ready));
  }

  setLimits(maxImages: number, maxBytes: number): void {
    this.maxImages = maxImages;
    this.maxBytes = maxBytes;
  }

  setExamples(list: readonly Example[]): void {
    this.examples.replaceChildren(...list.map(({file, name}) => h('button', {
      type: 'button', class: 'example', 'aria-label': `Example: ${name}`, title: capitalised(name), onclick: () => void this.useExample(file),
    }, h('img', {src: `/examples/${encodeURIComponent(file)}`, alt: '', loading: 'lazy', width: 64, height: 64}))));
  }

  /** These pictures instead of what is there. */
  replace(files: readonly File[], background: Background): void {
    this.clear();
    this.background = background;
    this.backgrounds.set(background);
    this.add(files);
  }

  private clear(): void {
    this.latentFile = null;
    for (const picture of this.pictures.splice(0)) release(picture);
    this.list.replaceChildren();
  }

  private async useExample(name: string): Promise<void> {
    try {
      const picture = await this.client.file(`/examples/${encodeURIComponent(name)}`);
      this.replace([new File([picture], name.replace(/^\d+-/, ''), {type: 'image/png'})], this.background);
    } catch (error) {
      this.notify.error('The example could not be loaded', error);
    }
  }

  add(files: readonly File[]): void {
    for (const file of files) {
      if (file.size > this.maxBytes) {
        this.notify.warn(`${file.name} is too large: ${bytes(file.size)}.`, `The server takes at most ${bytes(this.maxBytes)}.`);
      } else if (/\.safetensors$/i.test(file.name)) {
        this.addLatent(file);
      } else if (this.pictures.length >= this.maxImages) {
        this.notify.warn(`${file.name} was left out.`, `An asset is made from at most ${this.maxImages} pictures; remove one first.`);
      } else {
        this.addPicture(file);
      }
    }
    this.changed();
  }

  private addLatent(file: File): void {
    this.clear();
    this.latentFile = file;
    this.list.append(h('li', {class: 'picture latent'}, h('span', {class: 'latent-mark', text: 'latent'}),
      h('span', {class: 'picture-name', text: file.name}), this.removeButton(file.name, () => {
        this.clear();
        this.changed();
      })));
  }

  private addPicture(file: File): void {
    if (this.latentFile) this.clear();
    const picture: Picture = {file, tile: h('li', {class: 'picture'}), original: URL.createObjectURL(file), cutout: null,
      abort: new AbortController(), failed: false, ready: false};
    this.pictures.push(picture);
    this.list.append(picture.tile);
    void this.cut(picture);
  }

  private removeButton(name: string, onclick: () => void): HTMLElement {
    return button({label: `Remove ${name}`, icon: 'close', iconOnly: true, class: 'button quiet small remove', onclick});
  }

  private drawTile(picture: Picture, notes: readonly string[], problem: {message: string; hint: string} | null): void {
    const {file} = picture;
    const busy = !picture.ready && !picture.failed;
    picture.tile.classList.toggle('failed', picture.failed);
    picture.tile.setAttribute('aria-busy', String(busy));
    const frame = h('div', {class: 'frames'},
      h('figure', {}, h('img', {src: picture.original, alt: `Input: ${file.name}`, onerror: (event: Event) => (event.target as HTMLElement).replaceWith(icon('warning'))}), h('figcaption', {text: 'Input'})),
      h('figure', {class: 'checked'}, picture.cutout ? h('img', {src: picture.cutout, alt: `Cut-out of ${file.name}`}) : h('span', {class: busy ? 'spinner' : 'empty'}),
        h('figcaption', {text: 'Cut-out'})));
    picture.tile.replaceChildren(frame,
      h('div', {class: 'picture-foot'}, h('span', {class: 'picture-name', text: file.name}), this.removeButton(file.name, () => this.remove(picture))),
      ...(problem ? [h('div', {class: 'problem', role: 'alert'}, h('strong', {text: problem.message}), problem.hint ? h('p', {text: problem.hint}) : null)] : []),
      ...notes.map((note) => h('p', {class: 'hint note', text: capitalised(note)})));
  }

  private async cut(picture: Picture): Promise<void> {
    picture.abort.abort();
    const abort = picture.abort = new AbortController();
    picture.ready = picture.failed = false;
    this.drawTile(picture, [], null);
    this.changed();
    try {
      const {picture: cutout, notices} = await this.client.preprocess(picture.file, this.background, abort.signal);
      if (abort.signal.aborted) return;
      if (picture.cutout) URL.revokeObjectURL(picture.cutout);
      picture.cutout = URL.createObjectURL(cutout);
      picture.ready = true;
      this.drawTile(picture, notices, null);
    } catch (error) {
      if (isAbort(error) || abort.signal.aborted) return;
      if (picture.cutout) URL.revokeObjectURL(picture.cutout);
      picture.cutout = null;
      picture.failed = true;
      this.drawTile(picture, [], explain(error));
    }
    this.changed();
  }

  private remove(picture: Picture): void {
    release(picture);
    this.pictures.splice(this.pictures.indexOf(picture), 1);
    this.changed();
    this.input.focus();
  }

  private changed(): void {
    this.backgrounds.element.hidden = this.pictures.length === 0;
    this.drop.classList.toggle('compact', this.pictures.length > 0 || this.latentFile !== null);
    this.onchange();
  }

  /** Files may be dropped anywhere on the page, and pasted. */
  private listen(): void {
    const page = document.documentElement;
    const holds = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    let depth = 0;
    const mark = (over: number): void => {
      depth = Math.max(0, over);
      page.classList.toggle('dropping', depth > 0);
    };
    page.addEventListener('dragenter', (event) => holds(event) && mark(depth + 1));
    page.addEventListener('dragleave', (event) => holds(event) && mark(depth - 1));
    page.addEventListener('dragover', (event) => holds(event) && event.preventDefault());
    page.addEventListener('drop', (event) => {
      mark(0);
      if (!holds(event)) return;
      event.preventDefault();
      this.add([...(event.dataTransfer?.files ?? [])]);
    });
    document.addEventListener('paste', (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length === 0) return;
      event.preventDefault();
      this.add(files);
    });
  }
}

function release(picture: Picture): void {
  picture.abort.abort();
  URL.revokeObjectURL(picture.original);
  if (picture.cutout) URL.revokeObjectURL(picture.cutout);
  picture.tile.remove();
}
