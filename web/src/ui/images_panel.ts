import type {Client} from '../api/client.js';
import type {Connection} from '../api/connection.js';
import type {Background, Example} from '../api/types.js';
import type {Draft} from '../core/drafts.js';
import {button, h, icon, segmented} from '../core/dom.js';
import {bytes, capitalised, stem} from '../core/format.js';
import type {Notifier} from './notify.js';
import {dialogs} from './dialogs_later.js';
import {ImageTile} from './image_tile.js';
import {words} from '../core/words.js';

const MOST = 50;  // images of an asset each
const KINDS = 'image/png,image/jpeg,image/webp,image/avif,image/heic,image/heif,image/tiff,image/bmp,image/gif,.heic,.heif,.avif,.tif,.tiff,.safetensors';

/** What an asset is made from: images with their cut-outs, or a saved latent. */
export class ImagesPanel {
  readonly element: HTMLElement;
  private readonly tiles: ImageTile[] = [];
  private background: Background = 'auto';  // the last choice, which the next image begins with
  private latentFile: File | null = null;
  private readonly list = h('ul', {class: 'images', 'aria-label': words.images.chosen});
  private readonly drop: HTMLElement;
  private readonly dropTitle = h('span', {class: 'drop-title', text: words.images.first});
  private readonly input = h('input', {type: 'file', accept: KINDS, multiple: true, class: 'hidden', id: 'image-files'});
  private readonly examplesTitle = h('p', {class: 'label', text: words.images.tryOne, hidden: true});
  private readonly examples = h('div', {class: 'examples', role: 'group', 'aria-label': words.images.examples});
  private several: 'views' | 'each' | null = null;  // what more than one image are, once somebody has said it
  private readonly choice = segmented<'views' | 'each'>(words.images.theseAre, [
    {value: 'each', label: words.images.each, title: words.images.eachTitle},
    {value: 'views', label: words.images.views, title: words.images.viewsTitle},
  ], 'each', (value) => this.decide(value));
  private own = false;  // some of the images are the user's, not examples
  private maxImages = 8;
  private maxBytes = Infinity;

  constructor(private readonly client: Client, private readonly connection: Connection, private readonly notify: Notifier, private readonly onchange: () => void) {
    this.input.addEventListener('change', () => {
      this.add([...(this.input.files ?? [])]);
      this.input.value = '';
    });
    this.drop = h('label', {class: 'drop', for: this.input.id}, icon('image'), this.dropTitle,
      h('span', {class: 'hint', text: words.images.kinds}));
    this.element = h('div', {class: 'stack'}, h('h2', {text: words.images.title}), this.input, this.drop, this.list, this.choice.element,
      this.examplesTitle, this.examples);
    this.choice.element.hidden = true;
    this.listen();
  }

  get files(): readonly File[] {
    return this.tiles.map(({file}) => file);
  }

  /** One for each of the files. */
  get backgrounds(): readonly Background[] {
    return this.tiles.map(({background}) => background);
  }

  /** Every image becomes an asset of its own. */
  get each(): boolean {
    return this.tiles.length > 1 && this.several === 'each';
  }

  /** What to do about the first image that was refused. */
  get refusal(): string {
    return this.tiles.find(({state}) => state === 'failed')?.hint ?? '';
  }

  /** What is on the page, to be put back after a reload. */
  draft(): Draft | null {
    return this.own ? {files: [...this.files], backgrounds: [...this.backgrounds], masks: [...this.masks], several: this.several ?? 'each'} : null;
  }

  /** One for each of the files; null where none was made by hand. */
  get masks(): readonly (Blob | null)[] {
    return this.tiles.map(({mask}) => mask);
  }

  get latent(): File | null {
    return this.latentFile;
  }

  get name(): string {
    const first = this.latentFile ?? this.tiles[0]?.file;
    return first ? stem(first.name) : 'asset';
  }

  /** Something is there, and none of it was refused. */
  get usable(): boolean {
    return this.latentFile !== null || (this.tiles.length > 0 && (this.tiles.length === 1 || this.several !== null) && this.tiles.every(({state}) => state === 'ready'));
  }

  get refused(): boolean {
    return this.tiles.some(({state}) => state === 'failed');
  }

  setLimits(maxImages: number, maxBytes: number): void {
    this.maxImages = maxImages;
    this.maxBytes = maxBytes;
  }

  setExamples(list: readonly Example[]): void {
    this.examplesTitle.hidden = list.length === 0;
    this.examples.replaceChildren(...list.map(({file, name}) => h('button', {
      type: 'button', class: 'example', 'aria-label': words.images.example(name), title: capitalised(name), onclick: () => void this.useExample(file),
    }, h('img', {src: `/examples/${encodeURIComponent(file)}`, alt: '', loading: 'lazy', width: 64, height: 64}))));
  }

  /** These images instead of what is there, each with its background; asks before the user's own are lost. */
  async replace(files: readonly File[], backgrounds: readonly Background[], several: 'views' | 'each' = 'views', own = true): Promise<boolean> {
    const lost = this.tiles.length;
    if (this.own && lost > 0 && !(await (await dialogs()).confirmed({
      title: words.images.replaceTitle(lost), text: words.images.replaceText, yes: words.images.replace}))) return false;
    this.put(files, backgrounds, several, own);
    return true;
  }

  /** The same without a question. */
  put(files: readonly File[], backgrounds: readonly Background[], several: 'views' | 'each', own: boolean, masks: readonly (Blob | null)[] = []): void {
    this.clear();
    this.several = several;
    files.forEach((file, i) => {
      this.background = backgrounds[i] ?? this.background;
      this.take([file], masks[i] ?? null);
    });
    this.own = own;
    this.changed();
  }

  private clear(): void {
    this.latentFile = null;
    this.several = null;
    this.own = false;
    this.background = 'auto';
    for (const tile of this.tiles.splice(0)) tile.release();
    this.list.replaceChildren();
  }

  private async useExample(name: string): Promise<void> {
    try {
      const image = await this.client.file(`/examples/${encodeURIComponent(name)}`);
      await this.replace([new File([image], name.replace(/^\d+-/, ''), {type: 'image/png'})], [], 'views', false);
    } catch (error) {
      this.notify.error(words.images.exampleFailed, error);
    }
  }

  /** What the user drops, pastes or chooses. */
  add(files: readonly File[]): void {
    const before = this.tiles.length;
    if (this.latentFile === null && !this.own && before > 0) this.clear();  // an example makes room
    this.take(files);
    this.own = this.tiles.length > 0;
    if (this.tiles.length > 1 && this.several === null) void this.ask();
    this.changed();
  }

  private async ask(): Promise<void> {
    const {askSeveral} = await dialogs();
    this.decide(await askSeveral(this.tiles.length));
  }

  private decide(several: 'views' | 'each'): void {
    this.several = several;
    const most = several === 'views' ? this.maxImages : MOST;
    const over = this.tiles.splice(most);
    for (const tile of over) tile.release();
    if (over.length > 0) this.notify.warn(words.images.leftOut(over.length, over[0]?.file.name ?? ''), words.images.mostViews(most));
    this.changed();
  }

  private take(files: readonly File[], mask: Blob | null = null): void {
    const most = this.several === 'views' ? this.maxImages : MOST;
    const leftOut: string[] = [];
    for (const file of files) {
      if (file.size > this.maxBytes) {
        this.notify.warn(words.images.tooLarge(file.name, bytes(file.size)), words.images.most(bytes(this.maxBytes)));
      } else if (/\.safetensors$/i.test(file.name)) {
        this.addLatent(file);
      } else if (this.tiles.length >= most) {
        leftOut.push(file.name);
      } else {
        this.addImage(file, mask);
      }
    }
    if (leftOut.length > 0) {
      this.notify.warn(words.images.leftOut(leftOut.length, leftOut[0] ?? ''), words.images.room(most));
    }
  }

  private addLatent(file: File): void {
    this.clear();
    this.latentFile = file;
    const remove = button({label: words.images.remove(file.name), icon: 'close', iconOnly: true, class: 'button quiet small', onclick: () => {
      this.clear();
      this.changed();
      this.input.focus();
    }});
    this.list.append(h('li', {class: 'image latent'}, h('span', {class: 'latent-mark', text: words.images.latent}), h('span', {class: 'image-name', text: file.name}), remove));
  }

  private addImage(file: File, mask: Blob | null): void {
    if (this.latentFile) this.clear();
    const tile = new ImageTile(file, this.background, mask, this.client, this.connection, {
      changed: () => this.onchange(),
      chosen: (background) => {
        this.background = background;
      },
      remove: (one) => this.remove(one),
    });
    this.tiles.push(tile);
    this.list.append(tile.element);
  }

  private remove(tile: ImageTile): void {
    tile.release();
    this.tiles.splice(this.tiles.indexOf(tile), 1);
    this.changed();
    this.input.focus();
  }

  private changed(): void {
    this.drop.classList.toggle('compact', this.tiles.length > 0 || this.latentFile !== null);
    if (this.tiles.length < 2) this.several = this.tiles.length === 0 ? null : this.several;
    this.choice.element.hidden = this.tiles.length < 2;
    if (this.several) this.choice.set(this.several);
    this.dropTitle.textContent = this.tiles.length > 0 ? words.images.another : words.images.first;
    this.list.classList.toggle('many', this.tiles.length > 1);
    this.examplesTitle.textContent = this.drop.classList.contains('compact') ? words.images.tryAnother : words.images.tryOne;
    this.onchange();
  }

  /** Files may be dropped anywhere on the page, and pasted. */
  private listen(): void {
    const page = document.documentElement;
    document.body.dataset['drop'] = words.images.dropAnywhere;
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
