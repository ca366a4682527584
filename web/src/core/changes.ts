// What is different between two versions of an asset.
import type {Job, MapKind} from '../api/types.js';
import {finishOf, samplersOf} from './options.js';

export type Change =
  | {what: 'seed' | 'faces' | 'texture'; value: number}
  | {what: 'steps' | 'guidance'; value: readonly [number, number]}
  | {what: 'model'; value: string}
  | {what: 'maps'; value: readonly MapKind[]}
  | {what: 'delit'; value: number}
  | {what: 'plain' | 'raw' | 'unclean' | 'projected' | 'watertight' | 'edit'};

/** In what a version differs from another, as far as it was chosen. */
export function changes(job: Job, from: Job): Change[] {
  const list: Change[] = [];
  const [own, other] = [job.options, from.options];
  if (job.kind === 'edit') list.push({what: 'edit'});
  const sampled = (one: Job): boolean => one.kind !== 'export';
  if (sampled(job) && sampled(from)) {
    if (typeof own.seed === 'number' && own.seed !== other.seed) list.push({what: 'seed', value: own.seed});
    const [a, b] = [own, other].map((options) => {
      const samplers = samplersOf(options.preset ?? 'checkpoint', null);
      return (key: 'steps' | 'guidance'): readonly [number, number] =>
        [options.structure?.[key] ?? samplers.structure[key], options.latent?.[key] ?? samplers.latent[key]];
    });
    for (const what of ['steps', 'guidance'] as const) if (a && b && a(what).join() !== b(what).join()) list.push({what, value: a(what)});
    if (own.model && own.model !== other.model) list.push({what: 'model', value: own.model});
  }
  const [finish, before] = [finishOf(own), finishOf(other)];
  if (!finish.finish && before.finish) return [...list, {what: 'raw'}];
  const faces = job.report?.faces;
  const reduced = finish.reduceBy !== before.reduceBy || finish.simplify !== before.simplify || finish.faces !== before.faces || finish.finish !== before.finish;
  if (reduced && faces) list.push({what: 'faces', value: faces});
  if (finish.clean !== before.clean && !finish.clean) list.push({what: 'unclean'});
  if (finish.texture && (!before.texture || finish.textureSize !== before.textureSize)) list.push({what: 'texture', value: finish.textureSize});
  if (!finish.texture && before.texture) list.push({what: 'plain'});
  if (finish.watertight && !before.watertight) list.push({what: 'watertight'});
  if (!finish.texture) return list;
  if (finish.projectImage && !before.projectImage) list.push({what: 'projected'});
  if (finish.maps.join() !== before.maps.join() && finish.maps.length > 0) list.push({what: 'maps', value: finish.maps});
  if (finish.delight !== before.delight) list.push({what: 'delit', value: finish.delight});
  return list;
}
