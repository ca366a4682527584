// What is done with several jobs at once.
import {isFinal, type Job, type Queue, type Removal} from './types.js';
import {asJson, type Client} from './client.js';

const MOST = 1000;  // jobs of one request

/** Cancels or removes the jobs, those that are finished with the files that were made of them later; what became of each. */
export async function removeAll(client: Client, jobs: readonly Job[]): Promise<Removal[]> {
  const doomed = new Set<string>();
  for (const job of jobs) {
    if (isFinal(job.state)) for (const child of await client.madeFrom(job.id)) if (!child.asset && isFinal(child.state)) doomed.add(child.id);
    doomed.add(job.id);
  }
  const ids = [...doomed];
  const all: Removal[] = [];
  for (let at = 0; at < ids.length; at += MOST) {
    const {results} = await client.json<{results: Removal[]}>('/v1/jobs/delete', {method: 'POST', ...asJson({ids: ids.slice(at, at + MOST)})});
    all.push(...results);
  }
  return all;
}

/** The finished files of the jobs as one zip. */
export async function archiveOf(client: Client, ids: readonly string[], signal: AbortSignal): Promise<Blob> {
  return (await client.request('/v1/jobs/archive', {method: 'POST', signal, ...asJson({ids})})).blob();
}

/** Assets and files, in the order in which they will begin. */
export const queueOf = (client: Client): Promise<Queue> => client.json<Queue>('/v1/queue');

export const pauseQueue = (client: Client, paused: boolean): Promise<Queue> => client.json<Queue>('/v1/queue', {method: 'PATCH', ...asJson({paused})});
