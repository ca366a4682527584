import type {BakeMode, ResultFormat, TextureFormat} from '../api/types.js';
import {h, segmented} from '../core/dom.js';
import {FORMATS, finishOptions, type FinishSettings, hasEffect, initialFinish, limits} from '../core/options.js';
import {checkField, numberField, selectField} from './fields.js';
import {words} from '../core/words.js';

/** Powers of two. */
function textureSizes(): string[] {
  const {min, max} = limits('texture_size');
  return Array.from({length: Math.floor(Math.log2(max / min)) + 1}, (_, i) => String(min * 2 ** i));
}

/** The settings of finishing and of files; used for a new asset and for making one again. */
export class FinishFields {
  readonly element: HTMLElement;
  private readonly finish;
  private readonly clean;
  private readonly fillHoles;
  private readonly simplify;
  private readonly faces;
  private readonly texture;
  private readonly textureSize;
  private readonly project;
  private readonly unlit;
  private readonly sizeMm;
  private readonly textureFormat;
  private readonly reduce;
  private readonly bake;
  private readonly formats = new Map<ResultFormat, HTMLInputElement>();
  private reduceBy: 'share' | 'faces' = 'share';
  private bakeMode: BakeMode = initialFinish().bake;

  constructor() {
    const start = initialFinish();
    const refresh = (): void => this.refresh();
    this.finish = checkField(words.finish.finish, start.finish, words.finish.finishHint, refresh);
    this.clean = checkField(words.finish.clean, start.clean, '', refresh);
    this.fillHoles = checkField(words.finish.holes, start.fillHoles);
    this.reduce = segmented(words.finish.reduceBy, [{value: 'share', label: words.finish.share}, {value: 'faces', label: words.finish.budget}] as const, start.reduceBy, (value) => {
      this.reduceBy = value;
      refresh();
    });
    this.simplify = numberField({label: words.finish.shareRemoved, ...limits('simplify'), step: 0.01, slider: 0.99}, start.simplify);
    this.faces = numberField({label: words.finish.facesAtMost, ...limits('faces'), step: 1, whole: true}, start.faces);
    this.texture = checkField(words.finish.texture, start.texture, words.finish.textureHint, refresh);
    this.textureSize = selectField(words.finish.textureSize, textureSizes().map((value) => ({value, label: `${value} × ${value}`})), String(start.textureSize));
    this.bake = segmented(words.finish.baking, [
      {value: 'fast', label: words.finish.fast, title: words.finish.fastTitle},
      {value: 'best', label: words.finish.best, title: words.finish.bestTitle},
    ] as const, start.bake, (value) => {
      this.bakeMode = value;
    });
    this.project = checkField(words.finish.project, start.projectImage, words.finish.projectHint);
    this.textureFormat = selectField<TextureFormat>(words.finish.textureFile, [
      {value: 'auto', label: words.finish.suits}, {value: 'png', label: words.finish.png}, {value: 'jpeg', label: words.finish.jpeg}, {value: 'webp', label: words.finish.webp}], start.textureFormat);
    this.unlit = checkField(words.finish.unlit, start.unlit, words.finish.unlitHint);
    this.sizeMm = numberField({label: words.finish.size, ...limits('size_mm'), step: 1, unit: 'mm', hint: words.finish.sizeHint}, start.sizeMm);
    this.element = h('div', {class: 'stack'},
      this.finish.element, this.clean.element, this.fillHoles.element, this.reduce.element, this.simplify.element, this.faces.element,
      this.texture.element, this.textureSize.element, this.bake.element, this.project.element, this.textureFormat.element,
      this.formatChoice(), this.unlit.element, this.sizeMm.element);
    this.set(start);
  }

  private formatChoice(): HTMLElement {
    const chips = h('div', {class: 'chips'});
    for (const format of FORMATS) {
      const input = h('input', {type: 'checkbox', value: format.id, onchange: () => this.refresh()});
      if (format.id === 'glb') input.disabled = true;  // what the viewer shows
      this.formats.set(format.id, input);
      chips.append(h('label', {class: 'chip', title: format.id === 'glb' ? words.finish.always : format.about}, input, h('span', {text: format.label})));
    }
    return h('fieldset', {class: 'plain'}, h('legend', {class: 'label', text: words.finish.files}), chips,
      h('p', {class: 'hint', text: words.finish.filesHint}));
  }

  get(): FinishSettings {
    return {
      finish: this.finish.get(),
      clean: this.clean.get(),
      fillHoles: this.fillHoles.get(),
      reduceBy: this.reduceBy,
      simplify: this.simplify.get(),
      faces: this.faces.get(),
      texture: this.texture.get(),
      textureSize: Number(this.textureSize.get()),
      textureFormat: this.textureFormat.get(),
      bake: this.bakeMode,
      projectImage: this.project.get(),
      unlit: this.unlit.get(),
      sizeMm: this.sizeMm.get(),
      formats: [...this.formats].filter(([, input]) => input.checked).map(([id]) => id),
    };
  }

  set(settings: FinishSettings): void {
    this.finish.set(settings.finish);
    this.clean.set(settings.clean);
    this.fillHoles.set(settings.fillHoles);
    this.reduceBy = settings.reduceBy;
    this.reduce.set(settings.reduceBy);
    this.simplify.set(settings.simplify);
    this.faces.set(settings.faces);
    this.texture.set(settings.texture);
    this.textureSize.set(String(settings.textureSize));
    this.textureFormat.set(settings.textureFormat);
    this.bakeMode = settings.bake;
    this.bake.set(settings.bake);
    this.project.set(settings.projectImage);
    this.unlit.set(settings.unlit);
    this.sizeMm.set(settings.sizeMm);
    for (const [id, input] of this.formats) input.checked = id === 'glb' || settings.formats.includes(id);
    this.refresh();
  }

  /** Shows what has a meaning under the present choices. */
  private refresh(): void {
    const finish = this.finish.get();
    const texture = finish && this.texture.get();
    this.clean.element.hidden = !finish;
    this.fillHoles.element.hidden = !finish || !this.clean.get();
    this.reduce.element.hidden = !finish;
    this.simplify.element.hidden = !finish || this.reduceBy !== 'share';
    this.faces.element.hidden = !finish || this.reduceBy !== 'faces';
    this.texture.element.hidden = !finish;
    for (const element of [this.textureSize.element, this.bake.element, this.project.element, this.textureFormat.element]) element.hidden = !texture;
    const options = finishOptions(this.get());
    this.textureFormat.element.hidden ||= !hasEffect('texture_format', options);
    this.unlit.element.hidden = !hasEffect('unlit', options);
    this.sizeMm.element.hidden = !hasEffect('size_mm', options);
  }
}
