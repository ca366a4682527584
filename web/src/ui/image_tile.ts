import type {Client} from '../api/client.js';
import type {Connection} from '../api/connection.js';
import {explain, isAbort} from '../api/errors.js';
import type {Background} from '../api/types.js';
import {button, h, icon, segmented, takeBack} from '../core/dom.js';
import {capitalised} from '../core/format.js';
import {later, words} from '../core/words.js';
import {dialogs} from './dialogs_later.js';

const BACKGROUNDS = [
  {value: 'auto', label: words.images.auto, title: words.images.autoTitle},
  {value: 'alpha', label: words.images.alpha, title: words.images.alphaTitle},
  {value: 'none', label: words.images.none, title: words.images.noneTitle},
] as const;

export interface TileActions {
  changed(): void;
  chosen(background: Background): void;
  remove(tile: ImageTile): void;
}

/** A chosen image with its cut-out, which is made again whenever another background is chosen. */
export class ImageTile {
  readonly element: HTMLElement;
  state: 'busy' | 'ready' | 'failed' = 'busy';
  hint = '';  // what to do about a refusal
  private original: string;
  private cutout: string | null = null;
  private abort = new AbortController();
  private readonly life = new AbortController();  // of the tile
  private readonly frames: HTMLButtonElement;
  private readonly mend: HTMLButtonElement;
  private readonly place = h('span', {class: 'frame checked'});
  private readonly method = h('p', {class: 'hint'});
  private readonly notes = h('ul', {class: 'notes'});

  /** `mask`: made by hand. */
  constructor(readonly file: File, public background: Background, public mask: Blob | null, private readonly client: Client,
    private readonly connection: Connection, private readonly actions: TileActions) {
    this.original = URL.createObjectURL(file);
    const input = h('img', {src: this.original, alt: words.images.inputOf(file.name)});
    input.addEventListener('error', () => void this.showAsServed(input), {once: true});
    this.frames = h('button', {type: 'button', class: 'frames', title: words.images.look, onclick: () => void this.enlarge()},
      h('span', {class: 'frame'}, input, h('span', {class: 'frame-name', text: words.images.input})), this.place);
    const remove = button({label: words.images.remove(file.name), icon: 'close', iconOnly: true, class: 'button quiet small', onclick: () => actions.remove(this)});
    const choice = segmented<Background>(words.images.background, BACKGROUNDS, background, (value) => {
      this.background = value;
      this.mask = null;
      actions.chosen(value);
      void this.cut();
    });
    this.mend = button({label: words.images.mend, icon: 'image', class: 'button small', onclick: () => void this.edit()});
    this.element = h('li', {class: 'image'}, this.frames,
      h('div', {class: 'image-text'}, h('div', {class: 'image-foot'}, h('span', {class: 'image-name', text: file.name, title: file.name}), remove), this.method),
      this.notes, choice.element, h('div', {class: 'row'}, this.mend));
    void this.cut();
  }

  release(): void {
    this.abort.abort();
    this.life.abort();
    takeBack(this.original);
    this.setCutout(null);
    this.element.remove();
  }

  private async cut(): Promise<void> {
    this.abort.abort();
    const abort = this.abort = new AbortController();
    this.enter('busy', '');
    try {
      const {image, notices} = await this.connection.patiently(() => this.client.preprocess(this.file, this.background, this.mask, abort.signal), abort.signal);
      if (abort.signal.aborted) return;
      this.setCutout(image);
      const [said = words.images.asItIs, ...warnings] = notices;
      const method = this.mask ? words.images.byHand : said;
      this.enter('ready', method, ...warnings.map((warning) => h('li', {class: 'hint'}, icon('warning'), h('span', {text: capitalised(warning)}))));
    } catch (error) {
      if (isAbort(error) || abort.signal.aborted) return;
      this.setCutout(null);
      const {message, hint} = explain(error);
      this.hint = hint ? capitalised(hint) : '';
      const named = `${this.file.name}: `;
      const what = message.startsWith(named) ? capitalised(message.slice(named.length)) : message;
      this.enter('failed', '', h('li', {}, h('div', {class: 'problem', role: 'alert'}, h('strong', {text: what}), hint ? h('p', {text: hint}) : null)));
    }
  }

  /** An image of a kind that the browser does not know, as the server sees it. */
  private async showAsServed(input: HTMLImageElement): Promise<void> {
    try {
      const {image} = await this.connection.patiently(() => this.client.whole(this.file, 'none', null, this.life.signal), this.life.signal);
      takeBack(this.original);
      this.original = URL.createObjectURL(image);
      input.addEventListener('error', () => input.replaceWith(icon('warning')), {once: true});
      input.src = this.original;
    } catch {
      input.replaceWith(icon('warning'));  // what is wrong with it stands below
    }
  }

  /** Lets the user mend the mask, beginning with the one that there is. */
  private async edit(): Promise<void> {
    this.mend.disabled = true;
    try {
      const {signal} = this.life;
      const {alphaOf, MaskEditor, pixelsOf} = await later(() => import('./mask_editor.js'));
      const colours = await pixelsOf((await this.client.whole(this.file, 'none', null, signal)).image);
      const found = await this.client.whole(this.file, this.background, this.mask, signal).catch(() => null);
      const alpha = found ? alphaOf(await pixelsOf(found.image)) : new Uint8ClampedArray(colours.width * colours.height).fill(255);
      const mask = await new MaskEditor(this.file.name, {colours, alpha}).open();
      if (signal.aborted || !mask) return;
      this.mask = mask;
      await this.cut();
    } catch (error) {
      if (isAbort(error)) return;
      const {message, hint} = explain(error);
      this.notes.replaceChildren(h('li', {class: 'hint'}, icon('warning'), h('span', {text: `${message} ${hint}`})));
      this.notes.hidden = false;
    } finally {
      this.mend.disabled = false;
    }
  }

  private setCutout(image: Blob | null): void {
    if (this.cutout) takeBack(this.cutout);
    this.cutout = image ? URL.createObjectURL(image) : null;
  }

  private enter(state: ImageTile['state'], method: string, ...notes: readonly HTMLElement[]): void {
    this.state = state;
    this.element.classList.toggle('failed', state === 'failed');
    this.element.setAttribute('aria-busy', String(state === 'busy'));
    this.frames.disabled = this.cutout === null;
    this.place.replaceChildren(
      this.cutout ? h('img', {src: this.cutout, alt: words.images.cutoutOf(this.file.name)}) : state === 'failed' ? icon('warning') : '',
      state === 'busy' ? h('span', {class: 'spinner'}) : '', h('span', {class: 'frame-name', text: words.images.cutout}));
    this.method.textContent = capitalised(method);
    this.notes.replaceChildren(...notes);
    this.notes.hidden = notes.length === 0;
    this.actions.changed();
  }

  private async enlarge(): Promise<void> {
    if (this.cutout) await (await dialogs()).lookCloser(this.file.name, this.original, this.cutout);
  }
}
