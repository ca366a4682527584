import '../style/wipe.css';
import {button, h} from '../core/dom.js';
import {more, words} from '../core/words.js';

/** Two assets in one image: the line between them, which is dragged or moved with the keyboard, and their names. */
export class Wipe {
  readonly element: HTMLElement;
  private readonly slider = h('input', {type: 'range', class: 'wipe-slider', min: 0, max: 100, value: 50, step: 1, 'aria-label': more.wipe.slider});
  private readonly line = h('div', {class: 'wipe-line', 'aria-hidden': 'true'}, h('span', {class: 'wipe-grip'}));

  constructor(left: string, right: string, private readonly moved: (share: number) => void, close: () => void, swap: () => void) {
    const [a, b] = [h('span', {class: 'wipe-name', dir: 'auto', title: left, text: left}), h('span', {class: 'wipe-name', dir: 'auto', title: right, text: right})];
    this.element = h('div', {class: 'wipe', role: 'group', 'aria-label': more.wipe.title(left, right)}, this.line,
      h('div', {class: 'wipe-bar'}, a, this.slider, b,
        button({label: more.wipe.swap, icon: 'repeat', iconOnly: true, class: 'button quiet small', onclick: swap}),
        button({label: words.app.close, icon: 'close', iconOnly: true, class: 'button quiet small', onclick: close})));
    this.slider.addEventListener('input', () => this.set(Number(this.slider.value) / 100));
    this.line.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      this.line.setPointerCapture(event.pointerId);
    });
    this.line.addEventListener('pointermove', (event) => {
      if (!this.line.hasPointerCapture(event.pointerId)) return;
      const box = this.element.getBoundingClientRect();
      this.set(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
    });
    this.set(0.5);
  }

  focus(): void {
    this.slider.focus();
  }

  private set(share: number): void {
    this.slider.value = String(Math.round(share * 100));
    this.line.style.left = `${share * 100}%`;
    this.moved(share);
  }
}
