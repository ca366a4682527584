import type {Client} from '../api/client.js';
import {isAbort} from '../api/errors.js';
import type {JobFile} from '../api/types.js';
import {button, h, ObjectUrls} from '../core/dom.js';
import {words} from '../core/words.js';

/** The images that an asset was made from, one at a time, small over the viewer or beside it. */
export class InputImages {
  readonly element = h('figure', {class: 'input-image', hidden: true});
  private readonly image = h('img', {alt: words.images.inputImage});
  private readonly caption = h('span', {'aria-live': 'polite'});
  private readonly before: HTMLButtonElement;
  private readonly after: HTMLButtonElement;
  private readonly urls = new ObjectUrls();
  private files: readonly JobFile[] = [];
  private at = 0;
  private abort = new AbortController();

  constructor(private readonly client: Client, ontoggle: () => void) {
    this.before = button({label: words.images.before, icon: 'before', iconOnly: true, class: 'button quiet small', onclick: () => this.turn(-1)});
    this.after = button({label: words.images.next, icon: 'after', iconOnly: true, class: 'button quiet small', onclick: () => this.turn(1)});
    this.element.append(
      h('button', {type: 'button', class: 'checked', 'aria-label': words.images.sideBySide, onclick: ontoggle}, this.image),
      h('figcaption', {}, this.before, this.caption, this.after));
  }

  /** Images of one asset; those that are shown already are not loaded again. */
  show(files: readonly JobFile[]): void {
    if (files.map(({url}) => url).join() === this.files.map(({url}) => url).join()) return;
    this.files = files;
    this.at = 0;
    void this.load();
  }

  clear(): void {
    this.abort.abort();
    this.files = [];
    this.element.hidden = true;
    this.image.removeAttribute('src');
    this.urls.clear();
  }

  private turn(by: number): void {
    this.at = (this.at + by + this.files.length) % this.files.length;
    void this.load();
  }

  private async load(): Promise<void> {
    this.abort.abort();
    const {signal} = this.abort = new AbortController();
    const file = this.files[this.at];
    if (!file) return this.clear();
    try {
      const image = await this.client.file(file.url, signal);
      if (signal.aborted) return;
      this.urls.clear();
      this.image.src = this.urls.of(image);
    } catch (error) {
      if (isAbort(error)) return;
      this.image.removeAttribute('src');  // its alternative text stands there
    }
    const several = this.files.length > 1;
    this.before.hidden = this.after.hidden = !several;
    this.element.classList.toggle('several', several);
    this.caption.textContent = several ? words.images.of(this.at + 1, this.files.length) : words.images.input;
    this.element.hidden = false;
  }
}
