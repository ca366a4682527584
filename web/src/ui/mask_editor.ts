import '../style/dialogs.css';
import '../style/mask.css';
import {button, h, segmented, uniqueId} from '../core/dom.js';
import {Mask, type Point} from '../core/mask.js';
import {more} from '../core/words.js';

type Tool = 'add' | 'erase' | 'rectangle-add' | 'rectangle-erase' | 'crop' | 'similar';
type Ground = 'checked' | 'strong' | 'black';

const TOOLS = [
  {value: 'add', label: more.mask.add, title: more.mask.addTitle},
  {value: 'erase', label: more.mask.erase, title: more.mask.eraseTitle},
  {value: 'rectangle-add', label: more.mask.boxAdd, title: more.mask.boxAddTitle},
  {value: 'rectangle-erase', label: more.mask.boxErase, title: more.mask.boxEraseTitle},
  {value: 'crop', label: more.mask.crop, title: more.mask.cropTitle},
  {value: 'similar', label: more.mask.similar, title: more.mask.similarTitle},
] as const;
const GROUNDS = [
  {value: 'checked', label: more.mask.checked, title: more.mask.checkedTitle},
  {value: 'strong', label: more.mask.strong, title: more.mask.strongTitle},
  {value: 'black', label: more.mask.black, title: more.mask.blackTitle},
] as const;

/** The whole image, and the mask that it has now. */
export interface Mended {
  colours: ImageData;  // opaque
  alpha: Uint8ClampedArray;
}

/** Lets the user mend a mask with a brush, boxes and a fill. Resolves to the new mask as a PNG, or null when it stays as it was. */
export class MaskEditor {
  private readonly mask: Mask;
  private readonly canvas = h('canvas', {class: 'mask-canvas checked', tabindex: 0, 'aria-label': more.mask.canvas});
  private readonly pen;
  private readonly shown: ImageData;
  // Wider than the image, so that strokes and boxes may begin beside it.
  private readonly room = h('div', {class: 'mask-room'});
  private readonly marker = h('div', {class: 'mask-marker', hidden: true});
  private readonly undoButton;
  private readonly radius;
  private readonly tolerance;
  private readonly done = h('button', {type: 'submit', class: 'button primary', text: more.mask.use});
  private tool: Tool = 'erase';
  private from: Point | null = null;  // of the stroke or box under way
  private clicked: Point | null = null;  // of the last fill, which the tolerance makes again

  constructor(name: string, private readonly image: Mended) {
    const {width, height} = image.colours;
    this.mask = new Mask(width, height, image.alpha);
    this.shown = new ImageData(width, height);
    this.canvas.width = width;
    this.canvas.height = height;
    const pen = this.canvas.getContext('2d');
    if (!pen) throw new Error(more.mask.noCanvas);
    this.pen = pen;
    this.undoButton = button({label: more.mask.undo, icon: 'repeat', class: 'button', onclick: () => this.undo()});
    this.radius = slider(more.mask.brush, 1, Math.max(8, Math.round(Math.max(width, height) / 6)), Math.max(4, Math.round(Math.max(width, height) / 32)), () => undefined);
    this.tolerance = slider(more.mask.tolerance, 0, 128, 24, () => this.fillAgain());
    this.tolerance.element.hidden = true;
    const tools = segmented<Tool>(more.mask.tool, TOOLS, this.tool, (tool) => this.choose(tool));
    const grounds = segmented<Ground>(more.mask.ground, GROUNDS, 'checked', (ground) => {
      for (const other of GROUNDS) this.canvas.classList.toggle(other.value, other.value === ground);
    });
    this.form = h('form', {method: 'dialog', class: 'stack'}, h('h2', {text: more.mask.title(name)}),
      h('div', {class: 'mask-tools'}, tools.element, grounds.element, this.radius.element, this.tolerance.element),
      this.room,
      h('div', {class: 'row wrap end'}, this.undoButton, button({label: more.mask.asItWas, class: 'button', onclick: () => this.edited(() => this.mask.reset(), false)}),
        h('button', {type: 'button', class: 'button', text: more.dialogs.cancel, onclick: () => this.dialog.close()}), this.done));
    this.room.append(h('div', {class: 'mask-stage'}, this.canvas, this.marker));
    this.listen();
    this.draw();
  }

  private readonly form: HTMLFormElement;
  private readonly dialog = h('dialog', {class: 'dialog wide mask-editor'});

  open(): Promise<Blob | null> {
    return new Promise((resolve) => {
      const before = document.activeElement;
      let made: Promise<Blob | null> = Promise.resolve(null);
      this.form.addEventListener('submit', (event) => {
        event.preventDefault();
        made = this.png();
        this.dialog.close();
      });
      this.dialog.addEventListener('close', () => {
        this.dialog.remove();
        if (before instanceof HTMLElement) before.focus();
        resolve(made);
      });
      const title = this.form.querySelector('h2');
      if (title) this.dialog.setAttribute('aria-labelledby', title.id = uniqueId('title'));
      this.dialog.append(this.form);
      document.body.append(this.dialog);
      this.dialog.showModal();
      this.canvas.focus();
    });
  }

  private choose(tool: Tool): void {
    this.tool = tool;
    this.clicked = null;
    this.radius.element.hidden = tool !== 'add' && tool !== 'erase';
    this.tolerance.element.hidden = tool !== 'similar';
  }

  private listen(): void {
    this.room.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      this.canvas.focus();
      this.room.setPointerCapture(event.pointerId);
      this.start(this.pointOf(event));
    });
    this.room.addEventListener('pointermove', (event) => this.move(this.pointOf(event)));
    this.room.addEventListener('pointerup', (event) => this.finish(this.pointOf(event)));
    this.room.addEventListener('pointercancel', () => this.abandon());
    this.dialog.addEventListener('keydown', (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z') {
        event.preventDefault();
        this.undo();
      } else if (event.key === '[' || event.key === ']') {
        this.radius.step(event.key === ']' ? 1 : -1);
      }
    });
  }

  private pointOf(event: PointerEvent): Point {
    const box = this.canvas.getBoundingClientRect();
    return {x: ((event.clientX - box.left) * this.canvas.width) / box.width, y: ((event.clientY - box.top) * this.canvas.height) / box.height};
  }

  private get painting(): 0 | 255 | null {
    return this.tool === 'add' ? 255 : this.tool === 'erase' ? 0 : null;
  }

  private start(at: Point): void {
    if (this.tool === 'similar') {
      if (!this.mask.has(at)) return;
      this.clicked = at;
      this.edited(() => this.mask.fill(this.image.colours.data, at, this.tolerance.get(), 0));
      return;
    }
    this.from = at;
    const value = this.painting;
    if (value !== null) this.edited(() => this.mask.stroke(at, at, this.radius.get(), value));
  }

  private move(at: Point): void {
    if (!this.from) return;
    const value = this.painting;
    if (value !== null) {
      this.mask.stroke(this.from, at, this.radius.get(), value);
      this.from = at;
      this.draw();
    } else {
      this.mark(this.from, at);
    }
  }

  private finish(at: Point): void {
    const {from} = this;
    this.abandon();
    if (!from || this.painting !== null) return;
    if (Math.abs(from.x - at.x) < 1 || Math.abs(from.y - at.y) < 1) return;
    if (this.tool === 'crop') this.edited(() => this.mask.crop(from, at));
    else this.edited(() => this.mask.rectangle(from, at, this.tool === 'rectangle-add' ? 255 : 0));
  }

  private abandon(): void {
    this.from = null;
    this.marker.hidden = true;
  }

  /** The box that is being drawn. */
  private mark(a: Point, b: Point): void {
    const percent = (value: number, whole: number): string => `${Math.min(100, Math.max(0, (100 * value) / whole))}%`;
    const {width, height} = this.canvas;
    this.marker.style.left = percent(Math.min(a.x, b.x), width);
    this.marker.style.top = percent(Math.min(a.y, b.y), height);
    this.marker.style.right = percent(width - Math.max(a.x, b.x), width);
    this.marker.style.bottom = percent(height - Math.max(a.y, b.y), height);
    this.marker.hidden = false;
  }

  private edited(edit: () => void, undoable = true): void {
    if (undoable) this.mask.begin();
    edit();
    this.draw();
  }

  private fillAgain(): void {
    const at = this.clicked;
    if (!at) return;
    this.mask.undo();
    this.edited(() => this.mask.fill(this.image.colours.data, at, this.tolerance.get(), 0));
  }

  private undo(): void {
    this.clicked = null;
    this.mask.undo();
    this.draw();
  }

  private draw(): void {
    const {data} = this.image.colours;
    this.shown.data.set(data);
    for (let i = 0; i < this.mask.alpha.length; ++i) this.shown.data[i * 4 + 3] = this.mask.alpha[i] ?? 0;
    this.pen.putImageData(this.shown, 0, 0);
    this.undoButton.disabled = !this.mask.canUndo;
    this.done.disabled = this.mask.empty;
    this.done.title = this.mask.empty ? more.mask.nothingLeft : '';
  }

  /** White for the object, opaque: alpha would lose nothing on the way, but views of it would look empty. */
  private png(): Promise<Blob | null> {
    const {width, height} = this.mask;
    const grey = new ImageData(width, height);
    for (let i = 0; i < this.mask.alpha.length; ++i) {
      grey.data.fill(this.mask.alpha[i] ?? 0, i * 4, i * 4 + 3);
      grey.data[i * 4 + 3] = 255;
    }
    this.pen.putImageData(grey, 0, 0);
    return new Promise((resolve) => this.canvas.toBlob(resolve, 'image/png'));
  }
}

interface Slider {
  element: HTMLElement;
  get(): number;
  step(by: number): void;
}

function slider(label: string, min: number, max: number, value: number, onchange: () => void): Slider {
  const id = uniqueId('slider');
  const output = h('output', {class: 'unit', for: id, text: String(value)});
  const input = h('input', {id, type: 'range', min, max, value, oninput: () => {
    output.textContent = input.value;
    onchange();
  }});
  return {
    element: h('div', {class: 'field'}, h('div', {class: 'field-head'}, h('label', {for: id, class: 'label', text: label}), output), input),
    get: () => Number(input.value),
    step(by) {
      input.value = String(Number(input.value) + by * Math.max(1, Math.round(max / 40)));
      output.textContent = input.value;
    },
  };
}

/** The pixels of an image file. */
export async function pixelsOf(file: Blob): Promise<ImageData> {
  const bitmap = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const pen = canvas.getContext('2d');
  if (!pen) throw new Error(more.mask.noCanvas);
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

/** One channel: the alpha of every pixel. */
export function alphaOf(pixels: ImageData): Uint8ClampedArray {
  return Uint8ClampedArray.from({length: pixels.width * pixels.height}, (_, i) => pixels.data[i * 4 + 3] ?? 0);
}
