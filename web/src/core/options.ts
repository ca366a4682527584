// The settings of the page, and the options of a job that follow from them.
import type {
  BakeMode, Background, Compression, FinishOptions, JobOptions, MapKind, Model, MultiImage, Origin, Preset, ResultFormat, SamplerOptions, TextureFormat,
} from '../api/types.js';
import {APP_PRESET, OPTION_RULES, OPTIONS} from './option_table.js';

/** The range of a number, as a field takes it. */
export function limits(name: {[Name in keyof typeof OPTIONS]: (typeof OPTIONS)[Name] extends {min: number} ? Name : never}[keyof typeof OPTIONS]): {min: number; max: number} {
  const {min, max} = OPTIONS[name];
  return {min, max};
}

/** Any seed. */
export function anySeed(): number {
  return Math.floor(Math.random() * OPTIONS.seed.max);
}

// What the fields show before anything is chosen.
const FIRST_SEED = 42;
const FIRST_BUDGET = 20000;

export const MAP_KINDS: readonly MapKind[] = ['normal', 'ao'];

export interface FinishSettings {
  finish: boolean;  // false: the mesh as decoded
  clean: boolean;
  fillHoles: boolean;
  reduceBy: 'share' | 'faces';
  simplify: number;  // share of the faces that goes
  faces: number;
  watertight: boolean;
  minWallMm: number;
  flatBaseMm: number;
  texture: boolean;
  textureSize: number;
  textureFormat: TextureFormat;
  bake: BakeMode;
  projectImage: boolean;
  maps: MapKind[];  // beside the colours
  delight: number;  // share of the light in the colours that is taken out
  unlit: boolean;
  compress: Compression;
  lods: number;
  sizeMm: number;
  formats: ResultFormat[];
}

export interface Settings extends FinishSettings {
  preset: Preset;
  randomise: boolean;
  seed: number;
  structure: {steps: number; guidance: number};
  latent: {steps: number; guidance: number};
  multiImage: MultiImage;
}

export function samplersOf(preset: Preset, model: Model | null): {structure: Required<Numbers>; latent: Required<Numbers>} {
  const [structure, latent] = {
    checkpoint: [model?.structure_defaults, model?.latent_defaults],
    app: [model?.app_structure, model?.app_latent],
    fast: [model?.fast_structure, model?.fast_latent],
  }[preset];
  return {structure: {...APP_PRESET.structure, ...numbersIn(structure)}, latent: {...APP_PRESET.latent, ...numbersIn(latent)}};
}

interface Numbers {
  steps: number;
  guidance: number;
}

export function initialSettings(model: Model | null): Settings {
  return {
    preset: OPTIONS.preset.fallback,
    randomise: true,
    seed: FIRST_SEED,
    ...samplersOf(OPTIONS.preset.fallback, model),
    multiImage: OPTIONS.multi_image.fallback,
    ...initialFinish(),
  };
}

export function initialFinish(): FinishSettings {
  return {
    finish: !OPTIONS.raw_mesh.fallback,
    clean: OPTIONS.clean.fallback,
    fillHoles: OPTIONS.fill_holes.fallback,
    reduceBy: 'share',
    simplify: OPTIONS.simplify.fallback,
    faces: FIRST_BUDGET,
    watertight: OPTIONS.watertight.fallback,
    minWallMm: OPTIONS.min_wall_mm.fallback,
    flatBaseMm: OPTIONS.flat_base_mm.fallback,
    texture: OPTIONS.texture.fallback,
    textureSize: OPTIONS.texture_size.fallback,
    textureFormat: OPTIONS.texture_format.fallback,
    bake: OPTIONS.bake.fallback,
    projectImage: OPTIONS.project_image.fallback,
    maps: mapsIn(OPTIONS.maps.fallback),
    delight: OPTIONS.delight.fallback,
    unlit: OPTIONS.unlit.fallback,
    compress: OPTIONS.compress.fallback,
    lods: OPTIONS.lods.fallback,
    sizeMm: OPTIONS.size_mm.fallback,
    formats: [...OPTIONS.formats.fallback],
  };
}

function mapsIn(kinds: readonly unknown[]): MapKind[] {
  return MAP_KINDS.filter((kind) => kinds.includes(kind));
}

/** With nothing in its lists but what there is, whoever made them, and with the file that the viewer shows. */
export function tidied(settings: FinishSettings): FinishSettings {
  const formats = OPTIONS.formats.choices.filter((format) => format === 'glb' || settings.formats.includes(format));
  return {...settings, formats, maps: mapsIn(settings.maps)};
}

/** Whether an option has something else than its default. */
function isSet(options: JobOptions, key: string): boolean {
  const value = (options as Record<string, unknown>)[key] ?? null;
  const fallback = (OPTIONS as Record<string, {fallback: unknown}>)[key]?.fallback ?? null;
  return value !== null && JSON.stringify(value) !== JSON.stringify(fallback);
}

/** Whether an option would have an effect beside the others: by the same rules as the server's, which refuses it otherwise. */
export function hasEffect(key: string, options: JobOptions): boolean {
  const formats: readonly string[] = options.formats ?? OPTIONS.formats.fallback;
  return OPTION_RULES.every((rule) => {
    if (rule.excludes?.includes(key) && isSet(options, rule.option)) return false;
    if (rule.option !== key || (rule.value !== undefined && (options as Record<string, unknown>)[key] !== rule.value)) return true;
    if (!rule.needs && !rule.formats) return true;
    return (rule.needs ?? []).some((other) => isSet(options, other)) || (rule.formats ?? []).some((format) => formats.includes(format));
  });
}

/** The options without those that have no effect. */
export function withEffect<Some extends JobOptions>(options: Some): Some {
  return Object.fromEntries(Object.entries(options).filter(([key]) => !isSet(options, key) || hasEffect(key, options))) as Some;
}

export function finishOptions(settings: FinishSettings): FinishOptions {
  return withEffect(allFinishOptions(settings));
}

function allFinishOptions(settings: FinishSettings): FinishOptions {
  const files: FinishOptions = {formats: [...settings.formats], size_mm: settings.sizeMm, unlit: settings.unlit, texture_format: settings.textureFormat,
    compress: settings.compress, lods: settings.lods};
  if (!settings.finish) return {raw_mesh: true, ...files};
  return {
    raw_mesh: false,
    clean: settings.clean,
    fill_holes: settings.clean && settings.fillHoles,
    ...(settings.reduceBy === 'faces' ? {faces: settings.faces} : {simplify: settings.simplify, faces: null}),
    watertight: settings.watertight,
    ...(settings.watertight ? {min_wall_mm: settings.minWallMm, flat_base_mm: settings.flatBaseMm} : {}),
    texture: settings.texture,
    ...(settings.texture ? textureOptions(settings) : {}),
    ...files,
  };
}

/** All of them, so that none is inherited from what is made again. */
function textureOptions(settings: FinishSettings): FinishOptions {
  const maps = mapsIn(settings.maps);
  return {
    texture_size: settings.textureSize, bake: settings.bake, project_image: settings.projectImage,
    maps: maps.length > 0 ? maps : ['none'], delight: settings.delight,
  };
}

/** `backgrounds`: one for each image; none where the job is made from a latent. */
export function jobOptions(settings: Settings, name: string, backgrounds: readonly Background[]): JobOptions {
  return withEffect({
    name,
    seed: settings.randomise ? null : settings.seed,
    preset: settings.preset,
    structure: {...settings.structure},
    latent: {...settings.latent},
    ...(backgrounds.length > 1 ? {multi_image: settings.multiImage, views: true} : {}),
    ...(backgrounds.length > 0 ? {background: [...backgrounds]} : {}),
    ...finishOptions(settings),
  });
}

/** Of a job that is made from words. */
export function promptOptions(settings: Settings, name: string, prompt: string, away: string): JobOptions {
  return withEffect({...jobOptions(settings, name, []), prompt, negative_prompt: away});
}

/** The settings of finishing that a job was made with. */
export function finishOf(options: JobOptions): FinishSettings {
  const start = initialFinish();
  const faces = options.faces ?? null;
  return {
    ...start,
    finish: !options.raw_mesh,
    clean: options.clean ?? start.clean,
    fillHoles: options.fill_holes ?? start.fillHoles,
    reduceBy: faces === null ? 'share' : 'faces',
    simplify: options.simplify ?? start.simplify,
    faces: faces ?? start.faces,
    watertight: options.watertight ?? start.watertight,
    minWallMm: options.min_wall_mm ?? start.minWallMm,
    flatBaseMm: options.flat_base_mm ?? start.flatBaseMm,
    texture: options.texture ?? start.texture,
    textureSize: options.texture_size ?? start.textureSize,
    textureFormat: options.texture_format ?? start.textureFormat,
    bake: options.bake ?? start.bake,
    projectImage: options.project_image ?? start.projectImage,
    maps: mapsIn(options.maps ?? start.maps),
    delight: options.delight ?? start.delight,
    unlit: options.unlit ?? start.unlit,
    compress: options.compress ?? start.compress,
    lods: options.lods ?? start.lods,
    sizeMm: options.size_mm ?? start.sizeMm,
    formats: [...(options.formats ?? start.formats)],
  };
}

/** The settings of the page that a job was made with, for "use these settings again". */
export function settingsOf(options: JobOptions, model: Model | null): Settings {
  const start = initialSettings(model);
  const samplers = samplersOf(options.preset ?? start.preset, model);
  return {
    ...start,
    ...finishOf(options),
    preset: options.preset ?? start.preset,
    randomise: false,
    seed: options.seed ?? start.seed,
    structure: {...samplers.structure, ...numbersIn(options.structure)},
    latent: {...samplers.latent, ...numbersIn(options.latent)},
    multiImage: options.multi_image ?? start.multiImage,
  };
}

/** The background of each of so many images. */
export function backgroundsOf({background = OPTIONS.background.fallback[0]}: JobOptions, images: number): Background[] {
  return Array.from({length: images}, (_, i) => (Array.isArray(background) ? background[i] ?? OPTIONS.background.fallback[0] : background));
}

function numbersIn(given: SamplerOptions | undefined): Partial<Numbers> {
  return {
    ...(typeof given?.steps === 'number' ? {steps: given.steps} : {}),
    ...(typeof given?.guidance === 'number' ? {guidance: given.guidance} : {}),
  };
}

/** Where an asset stands in its files, and how high it is. */
export interface Place {
  origin: Origin;
  height_m: number | null;
}

/** A file is what is wanted only where its place is the same. */
export function samePlace(a: JobOptions, b: JobOptions): boolean {
  const key = ({origin = OPTIONS.origin.fallback, height_m: height = null}: JobOptions): string => `${origin} ${height ?? ''}`;
  return key(a) === key(b);
}
