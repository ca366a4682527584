// The server's JSON, as /openapi.json describes it.
import type {OPTIONS} from '../core/option_table.js';

export interface SamplerOptions {
  steps?: number | null;  // null: the checkpoint's
  guidance?: number | null;
}

type Choices = {[Name in keyof typeof OPTIONS]: (typeof OPTIONS)[Name] extends {choices: readonly (infer Choice)[]} ? Choice : never};
export type Background = Choices['background'];
export type Preset = Choices['preset'];
export type BakeMode = Choices['bake'];
export type MultiImage = Choices['multi_image'];
export type TextureFormat = Choices['texture_format'];
export type Compression = Choices['compress'];
export type MapKind = Exclude<Choices['maps'], 'none'>;
export type Origin = Choices['origin'];
export type ResultFormat = Choices['formats'];
export type VideoFormat = Choices['turntable.format'];
export type RenderStyle = Choices['turntable.style'];

export interface FinishOptions {
  raw_mesh?: boolean;
  clean?: boolean;
  fill_holes?: boolean;
  simplify?: number;
  faces?: number | null;
  texture?: boolean;
  texture_size?: number;
  bake?: BakeMode;
  project_image?: boolean;
  watertight?: boolean;
  min_wall_mm?: number;
  flat_base_mm?: number;
  maps?: Choices['maps'][];
  delight?: number;
  formats?: ResultFormat[];
  size_mm?: number;
  unlit?: boolean;
  texture_format?: TextureFormat;
  compress?: Compression;
  lods?: number;
  origin?: Origin;
  height_m?: number | null;
}

export interface JobOptions extends FinishOptions {
  name?: string;
  prompt?: string;
  negative_prompt?: string;
  model?: string;
  seed?: number | null;
  preset?: Preset;
  structure?: SamplerOptions;
  latent?: SamplerOptions;
  multi_image?: MultiImage;
  views?: boolean;
  background?: Background | Background[];  // one for all images, or one for each
  turntable?: TurntableOptions | null;
}

export interface TurntableOptions {
  format: VideoFormat;
  style: RenderStyle;
  seconds: number;
  size: number;
}

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';
export type FileRole = 'input' | 'source' | 'cutout' | 'thumbnail' | 'structure' | 'splats' | 'mesh' | 'result' | 'latent' | 'asset' | 'video';

export interface JobFile {
  name: string;
  role: FileRole;
  format: string;
  bytes: number;
  media_type: string;
  url: string;
}

export interface Progress {
  stage: string;
  title: string;
  phase: string;
  step: number;
  steps: number;
  fraction: number;
  seconds_left: number | null;
  memory_bytes: number;
}

export interface ErrorBody {
  code: string;
  message: string;
  hint?: string;
}

export interface MeshReport {
  faces?: number;
  vertices?: number;
  components?: number;
  boundary_edges?: number;
  watertight?: boolean;
  hidden_share?: number | null;
  charts?: number;
  mean_stretch?: number;
  texture_use?: number;
  gaussians?: number;
  voxels?: number;
}

export interface Job {
  id: string;
  kind: 'image' | 'latent' | 'export' | 'text' | 'variant' | 'edit';
  asset: boolean;  // false: files or a video of the parent's asset
  pinned: boolean;
  parent: string | null;
  name: string;
  state: JobState;
  created: string;
  started: string | null;
  finished: string | null;
  position: number | null;
  options: JobOptions;
  progress: Progress | null;
  error: ErrorBody | null;
  files: JobFile[];
  report: MeshReport | null;
  notices: string[];
}

export interface Queue {
  paused: boolean;
  running: number;
  queued: number;
  jobs: Job[];  // those that run, then those that wait: at most 200
}

export interface Removal {
  id: string;
  result: 'removed' | 'cancelled' | 'failed';
  error: ErrorBody | null;
}

export interface Model {
  name: string;
  pipeline: string;
  takes: 'image' | 'text';
  description: string | null;  // what it is, where that has to be said
  full_model: string | null;   // the name of the model that it stands in for
  weight_bytes: number;
  memory_bytes: number;        // that the device has to have free at least
  device: string | null;       // null before it was loaded for the first time
  precision: string | null;
  tier: string | null;
  loaded: boolean;
  untrained: boolean;
  structure_defaults: SamplerOptions;
  latent_defaults: SamplerOptions;
  app_structure: SamplerOptions;
  app_latent: SamplerOptions;
  fast_structure: SamplerOptions;
  fast_latent: SamplerOptions;
}

export interface Models {
  models: Model[];
  limits: {max_upload_bytes: number; max_images: number; max_queue: number; max_voxels: number};
  video_formats: VideoFormat[];
}

export interface Storage {
  jobs: number;
  bytes: number;
  free_bytes: number | null;
  keep_days: number | null;
  keep_bytes: number | null;
}

export interface Example {
  file: string;
  name: string;
}

export function isFinal(state: JobState): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}
