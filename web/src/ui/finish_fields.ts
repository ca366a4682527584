import type {BakeMode, Compression, MapKind, ResultFormat, TextureFormat} from '../api/types.js';
import {h, segmented} from '../core/dom.js';
import {FORMATS} from '../core/formats.js';
import {finishOptions, type FinishSettings, hasEffect, initialFinish, limits} from '../core/options.js';
import {checkField, numberField, selectField} from './fields.js';
import {more} from '../core/words.js';

/** Powers of two. */
function textureSizes(): string[] {
  const {min, max} = limits('texture_size');
  return Array.from({length: Math.floor(Math.log2(max / min)) + 1}, (_, i) => String(min * 2 ** i));
}

interface Chip<T extends string> {
  value: T;
  label: string;
  title: string;
  fixed?: string;  // always chosen, and why
}

/** Several of a few, each as a box to tick. */
function chipsField<T extends string>(legend: string, chips: readonly Chip<T>[], hint: string, onchange: () => void): {element: HTMLElement; get(): T[]; set(values: readonly T[]): void} {
  const inputs = new Map<T, HTMLInputElement>();
  const row = h('div', {class: 'chips'});
  for (const {value, label, title, fixed} of chips) {
    const input = h('input', {type: 'checkbox', value, disabled: fixed !== undefined, onchange});
    inputs.set(value, input);
    row.append(h('label', {class: 'chip', title: fixed ?? title}, input, h('span', {text: label})));
  }
  return {
    element: h('fieldset', {class: 'plain'}, h('legend', {class: 'label', text: legend}), row, hint ? h('p', {class: 'hint', text: hint}) : null),
    get: () => [...inputs].filter(([, input]) => input.checked).map(([value]) => value),
    set(values) {
      for (const [value, input] of inputs) input.checked = values.includes(value);
    },
  };
}

/** The settings of finishing and of files; used for a new asset and for making one again. */
export class FinishFields {
  readonly element: HTMLElement;
  private readonly refresh = (): void => this.show();
  private readonly start = initialFinish();
  // The mesh.
  private readonly finish = checkField(more.finish.finish, this.start.finish, more.finish.finishHint, this.refresh);
  private readonly clean = checkField(more.finish.clean, this.start.clean, '', this.refresh);
  private readonly fillHoles = checkField(more.finish.holes, this.start.fillHoles);
  private readonly reduce = segmented(more.finish.reduceBy, [{value: 'share', label: more.finish.share}, {value: 'faces', label: more.finish.budget}] as const, this.start.reduceBy, (value) => {
    this.reduceBy = value;
    this.show();
  });
  private readonly simplify = numberField({label: more.finish.shareRemoved, ...limits('simplify'), step: 0.01, slider: 0.99}, this.start.simplify);
  private readonly faces = numberField({label: more.finish.facesAtMost, ...limits('faces'), step: 1, whole: true}, this.start.faces);
  private readonly watertight = checkField(more.finish.watertight, this.start.watertight, more.finish.watertightHint, this.refresh);
  private readonly minWall = numberField({label: more.finish.minWall, ...limits('min_wall_mm'), step: 0.1, unit: 'mm', hint: more.finish.minWallHint, onchange: this.refresh}, this.start.minWallMm);
  private readonly flatBase = numberField({label: more.finish.flatBase, ...limits('flat_base_mm'), step: 0.1, unit: 'mm', hint: more.finish.flatBaseHint, onchange: this.refresh}, this.start.flatBaseMm);
  // The texture.
  private readonly texture = checkField(more.finish.texture, this.start.texture, more.finish.textureHint, this.refresh);
  private readonly textureSize = selectField(more.finish.textureSize, textureSizes().map((value) => ({value, label: `${value} × ${value}`})), String(this.start.textureSize));
  private readonly bake = segmented(more.finish.baking, [
    {value: 'fast', label: more.finish.fast, title: more.finish.fastTitle},
    {value: 'best', label: more.finish.best, title: more.finish.bestTitle},
  ] as const, this.start.bake, (value) => {
    this.bakeMode = value;
  });
  private readonly project = checkField(more.finish.project, this.start.projectImage, more.finish.projectHint);
  private readonly maps = chipsField<MapKind>(more.finish.maps, [
    {value: 'normal', label: more.finish.normal, title: more.finish.normalTitle},
    {value: 'ao', label: more.finish.ao, title: more.finish.aoTitle},
  ], '', this.refresh);
  private readonly delight = numberField({label: more.finish.delight, ...limits('delight'), step: 0.05, slider: 1, hint: more.finish.delightHint}, this.start.delight);
  private readonly textureFormat = selectField<TextureFormat>(more.finish.textureFile, [
    {value: 'auto', label: more.finish.suits}, {value: 'png', label: more.finish.png}, {value: 'jpeg', label: more.finish.jpeg}, {value: 'webp', label: more.finish.webp}], this.start.textureFormat);
  // The files.
  private readonly formats = chipsField<ResultFormat>(more.finish.files, FORMATS.map(({id, label, about}) => (
    {value: id, label, title: about, ...(id === 'glb' ? {fixed: more.finish.always} : {})})), more.finish.filesHint, this.refresh);
  private readonly unlit = checkField(more.finish.unlit, this.start.unlit, more.finish.unlitHint);
  private readonly compress = selectField<Compression>(more.finish.compress, [
    {value: 'none', label: more.finish.uncompressed}, {value: 'meshopt', label: 'meshopt'}, {value: 'draco', label: 'Draco'}], this.start.compress);
  private readonly lods = numberField({label: more.finish.lods, ...limits('lods'), step: 1, whole: true, hint: more.finish.lodsHint}, this.start.lods);
  private readonly sizeMm = numberField({label: more.finish.size, ...limits('size_mm'), step: 1, unit: 'mm', hint: more.finish.sizeHint}, this.start.sizeMm);
  private reduceBy: 'share' | 'faces' = 'share';
  private bakeMode: BakeMode = this.start.bake;

  constructor() {
    const part = (title: string, ...fields: {element: HTMLElement}[]): HTMLElement =>
      h('div', {class: 'stack part'}, h('h3', {text: title}), ...fields.map(({element}) => element));
    this.element = h('div', {class: 'stack'},
      part(more.finish.mesh, this.finish, this.clean, this.fillHoles, this.reduce, this.simplify, this.faces, this.watertight, this.minWall, this.flatBase),
      part(more.finish.look, this.texture, this.textureSize, this.bake, this.project, this.maps, this.delight, this.textureFormat),
      part(more.finish.output, this.formats, this.compress, this.lods, this.unlit, this.sizeMm));
    this.set(this.start);
  }

  get(): FinishSettings {
    return {
      finish: this.finish.get(),
      clean: this.clean.get(),
      fillHoles: this.fillHoles.get(),
      reduceBy: this.reduceBy,
      simplify: this.simplify.get(),
      faces: this.faces.get(),
      watertight: this.watertight.get(),
      minWallMm: this.minWall.get(),
      flatBaseMm: this.flatBase.get(),
      texture: this.texture.get(),
      textureSize: Number(this.textureSize.get()),
      textureFormat: this.textureFormat.get(),
      bake: this.bakeMode,
      projectImage: this.project.get(),
      maps: this.maps.get(),
      delight: this.delight.get(),
      unlit: this.unlit.get(),
      compress: this.compress.get(),
      lods: this.lods.get(),
      sizeMm: this.sizeMm.get(),
      formats: this.formats.get(),
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
    this.watertight.set(settings.watertight);
    this.minWall.set(settings.minWallMm);
    this.flatBase.set(settings.flatBaseMm);
    this.texture.set(settings.texture);
    this.textureSize.set(String(settings.textureSize));
    this.textureFormat.set(settings.textureFormat);
    this.bakeMode = settings.bake;
    this.bake.set(settings.bake);
    this.project.set(settings.projectImage);
    this.maps.set(settings.maps);
    this.delight.set(settings.delight);
    this.unlit.set(settings.unlit);
    this.compress.set(settings.compress);
    this.lods.set(settings.lods);
    this.sizeMm.set(settings.sizeMm);
    this.formats.set(['glb', ...settings.formats]);
    this.show();
  }

  /** What has a meaning under the present choices. */
  private show(): void {
    const finish = this.finish.get();
    const texture = finish && this.texture.get();
    const solid = finish && this.watertight.get();
    const options = finishOptions(this.get());
    const shown = (seen: boolean, ...fields: {element: HTMLElement}[]): void => {
      for (const {element} of fields) element.hidden = !seen;
    };
    shown(finish, this.clean, this.reduce, this.watertight, this.texture);
    shown(finish && this.clean.get(), this.fillHoles);
    shown(finish && this.reduceBy === 'share', this.simplify);
    shown(finish && this.reduceBy === 'faces', this.faces);
    shown(solid, this.minWall, this.flatBase);
    shown(texture, this.textureSize, this.bake, this.project, this.maps, this.delight);
    shown(texture && hasEffect('texture_format', options), this.textureFormat);
    shown(hasEffect('compress', options), this.compress, this.lods);
    shown(hasEffect('unlit', options), this.unlit);
    shown(hasEffect('size_mm', options), this.sizeMm);
    const look = this.texture.element.parentElement;
    if (look) look.hidden = !finish;
  }
}
