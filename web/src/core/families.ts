// Versions of one asset: what was made of the same input, and what was made of these again.
import {isFinal, type Job} from '../api/types.js';

/** One word for all versions of an asset. Inputs are told apart by their kind and size, which two images hardly share. */
export function familyOf(job: Job, known: ReadonlyMap<string, Job>): string {
  let root = job;
  for (let parent = root.parent && known.get(root.parent); parent; parent = root.parent && known.get(root.parent)) root = parent;
  if (root.parent) return `job ${root.parent}`;  // which is not known here
  if (root.kind === 'text') return `text ${root.options.prompt ?? ''} - ${root.options.negative_prompt ?? ''}`;
  const inputs = root.files.filter(({role}) => role === 'input' || role === 'latent' && root.kind === 'latent').map(({format, bytes}) => `${format} ${bytes}`);
  // A bitmap's size says little about what is on it, and a latent's nothing.
  const told = root.kind === 'image' && inputs.length > 0 && !inputs.some((input) => /^(bmp|tiff?|ppm|safetensors) /.test(input));
  return told ? `image ${inputs.join()}` : `job ${root.id}`;
}

/** The versions of each asset, newest first; the assets in the order of their newest version. `jobs`: newest first. */
export function families(jobs: readonly Job[], known: ReadonlyMap<string, Job>): Job[][] {
  const all = new Map<string, Job[]>();
  for (const job of jobs) {
    const key = familyOf(job, known);
    const family = all.get(key);
    if (family) family.push(job);
    else all.set(key, [job]);
  }
  return [...all.values()];
}

/** The version that stands for the others: the one in view, else one that runs, else the newest that is finished. */
export function frontOf(family: readonly Job[], current: string | null): Job | undefined {
  return family.find(({id}) => id === current) ?? family.find(({state}) => !isFinal(state)) ?? family.find(({state}) => state === 'done') ?? family[0];
}
