// What is different between two versions of an asset.
import type {Job} from '../api/types.js';
import {finishOf, samplersOf} from './options.js';

export type Change =
  | {what: 'seed' | 'faces' | 'texture'; value: number}
  | {what: 'steps' | 'guidance'; value: readonly [number, number]}
  | {what: 'model'; value: string}
  | {what: 'plain' | 'raw' | 'unclean' | 'projected'};

/** In what a version differs from another, as far as it was chosen. */
export function changes(job: Job, from: Job): Change[] {
  const list: Change[] = [];
  const [own, other] = [job.options, from.options];
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
  if (finish.projectImage && !before.projectImage) list.push({what: 'projected'});
  return list;
}
