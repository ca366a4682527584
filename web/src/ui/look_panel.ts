import '../style/look.css';
import {keepLook, keptLook} from '../core/drafts.js';
import {button, h, segmented, uniqueId} from '../core/dom.js';
import {locale, more, words} from '../core/words.js';
import {FIRST_LOOK, type LookSettings} from '../viewer/look.js';
import {PANORAMAS} from '../viewer/panorama.js';
import type {Section, Viewer} from '../viewer/viewer.js';
import {checkField, selectField} from './fields.js';

/** How the object is lit, what is behind it, and where it is cut open. */
export class LookPanel {
  readonly element: HTMLElement;
  private look: LookSettings = keptLook(FIRST_LOOK) ?? {...FIRST_LOOK};
  private axis: Section['axis'] | 'none' = 'none';
  private readonly light;
  private readonly rotation;
  private readonly exposure;
  private readonly background;
  private readonly colour = h('input', {type: 'color', 'aria-label': more.look.colour, value: FIRST_LOOK.colour, oninput: () => this.changed()});
  private readonly cut;
  private readonly place;
  private readonly flipped;

  /** `opener`: what opens the panel, and has the focus after it. */
  constructor(private readonly viewer: Viewer, private readonly opener: () => HTMLElement) {
    const changed = (): void => this.changed();
    this.light = selectField<LookSettings['light']>(more.look.light, (['lamp', ...PANORAMAS] as const).map((value) => ({value, label: more.look.lights[value]})), this.look.light, changed);
    this.rotation = slider(more.look.rotation, -180, 180, 5, this.look.rotation, (value) => `${value}°`, changed);
    this.exposure = slider(more.look.exposure, -3, 3, 0.25, this.look.exposure, (value) => value.toLocaleString(locale, {signDisplay: 'exceptZero'}), changed);
    this.background = selectField<LookSettings['background']>(more.look.background, (['page', 'panorama', 'colour'] as const).map((value) => ({value, label: more.look.backgrounds[value]})), this.look.background, changed);
    this.colour.value = this.look.colour;
    this.cut = segmented<Section['axis'] | 'none'>(more.look.section, [
      {value: 'none', label: more.look.whole}, {value: 'x', label: 'X', title: words.viewer.axes.width}, {value: 'y', label: 'Y', title: words.viewer.axes.height}, {value: 'z', label: 'Z', title: words.viewer.axes.depth}],
    'none', (axis) => {
      this.axis = axis;
      this.section();
    });
    this.place = slider(more.look.place, 0, 100, 1, 50, (value) => `${value} %`, () => this.section());
    this.flipped = checkField(more.look.flipped, false, '', () => this.section());
    const title = h('h3', {id: uniqueId('look'), text: more.look.title});
    this.element = h('section', {class: 'look-panel stack', 'aria-labelledby': title.id, hidden: true},
      h('div', {class: 'field-head'}, title, button({label: words.app.close, icon: 'close', iconOnly: true, class: 'button quiet small', onclick: () => this.close()})),
      this.light.element, this.rotation.element, this.exposure.element, this.background.element, this.colour,
      this.cut.element, this.place.element, this.flipped.element,
      h('div', {class: 'row end'}, button({label: more.look.reset, icon: 'repeat', class: 'button small', onclick: () => this.reset()})));
    this.element.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      this.close();
    });
    this.refresh();
  }

  /** Opens or closes; true when it is open now. */
  toggle(): boolean {
    if (!this.element.hidden) this.close();
    else {
      this.element.hidden = false;
      this.element.querySelector<HTMLElement>('select')?.focus();
    }
    return !this.element.hidden;
  }

  /** Nothing is cut. */
  whole(): void {
    this.axis = 'none';
    this.cut.set('none');
    this.section();
  }

  private close(): void {
    this.element.hidden = true;
    this.opener().setAttribute('aria-pressed', 'false');
    this.opener().focus();
  }

  private changed(): void {
    this.look = {light: this.light.get(), rotation: this.rotation.get(), exposure: this.exposure.get(), background: this.background.get(), colour: this.colour.value};
    this.viewer.setLook(this.look);
    keepLook(this.look);
    this.refresh();
  }

  private section(): void {
    this.viewer.setSection(this.axis === 'none' ? null : {axis: this.axis, share: this.place.get() / 100, flipped: this.flipped.get()});
    this.refresh();
  }

  private refresh(): void {
    this.colour.hidden = this.background.get() !== 'colour';
    this.place.element.hidden = this.flipped.element.hidden = this.axis === 'none';
  }

  private reset(): void {
    this.light.set(FIRST_LOOK.light);
    this.rotation.set(FIRST_LOOK.rotation);
    this.exposure.set(FIRST_LOOK.exposure);
    this.background.set(FIRST_LOOK.background);
    this.changed();
    this.whole();
  }
}

function slider(label: string, min: number, max: number, step: number, value: number, said: (value: number) => string, onchange: () => void): {element: HTMLElement; get(): number; set(value: number): void} {
  const id = uniqueId('slider');
  const output = h('output', {class: 'unit', for: id, text: said(value)});
  const input = h('input', {id, type: 'range', min, max, step, value, oninput: () => {
    output.textContent = said(Number(input.value));
    onchange();
  }});
  return {
    element: h('div', {class: 'field'}, h('div', {class: 'field-head'}, h('label', {for: id, class: 'label', text: label}), output), input),
    get: () => Number(input.value),
    set(next) {
      input.value = String(next);
      output.textContent = said(next);
    },
  };
}
