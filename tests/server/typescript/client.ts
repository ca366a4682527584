// A client whose every type was generated from the server's OpenAPI document: URL KEY IMAGE (in base64). An image becomes a file.
import createClient from 'openapi-fetch';
import type {components, paths} from './api';

declare const process: {argv: [string, string, string, string, string]};
type Job = components['schemas']['Job'];

const [, , url, key, image] = process.argv;
const client = createClient<paths>({baseUrl: url, headers: {Authorization: `Bearer ${key}`}});
const options: components['schemas']['GenerateOptions'] = {seed: 1, structure: {steps: 1}, latent: {steps: 1}, raw_mesh: true, formats: ['glb'], name: 'a chair'};

/** What an answer is about, or its error as the server's document has it. */
function taken<T>(answer: {data?: T; error?: components['schemas']['Error']}): T {
  if (answer.error) throw new Error(`${answer.error.error.code}: ${answer.error.error.message}; ${answer.error.error.hint}`);
  if (answer.data === undefined) throw new Error('neither data nor an error');
  return answer.data;
}

const add = async (): Promise<Job> => taken(await client.POST('/v1/jobs', {
  params: {header: {'Idempotency-Key': 'from-typescript'}},
  body: {image: {data: image, name: 'chair.png'}, options},
}));
let job = await add();
const same = (await add()).id === job.id;
const path = {id: job.id};
const queue = taken(await client.GET('/v1/queue', {params: {query: {limit: 5}}}));
while (job.state === 'queued' || job.state === 'running') {
  await new Promise((resolve) => setTimeout(resolve, 100));
  job = taken(await client.GET('/v1/jobs/{id}', {params: {path}}));
}
if (job.state !== 'done') throw new Error(`the job is ${job.state}: ${job.error?.message}`);
const file = job.files.find((one) => one.role === 'result' && one.format === 'glb');
if (!file) throw new Error('the job has no GLB');
const data: unknown = taken(await client.GET('/v1/jobs/{id}/files/{name}', {params: {path: {...path, name: file.name}}, parseAs: 'arrayBuffer'}));
const bytes = new Uint8Array(data as ArrayBuffer);

console.log(JSON.stringify({
  model: taken(await client.GET('/v1/models')).models[0]?.name,
  same,
  paused: queue.paused,
  faces: (job.report?.faces ?? 0) > 100,
  whole: bytes.length === file.bytes,
  magic: String.fromCharCode(...bytes.slice(0, 4)),
  renamed: taken(await client.PATCH('/v1/jobs/{id}', {params: {path}, body: {name: 'renamed', pinned: true}})).name,
  refused: (await client.POST('/v1/jobs', {body: {options: {prompt: 'a chair', seed: -7}}})).error?.error.code,
  removed: taken(await client.POST('/v1/jobs/delete', {body: {ids: [job.id]}})).results.map((one) => one.result),
}));

// What must not compile: were a body "unknown" or "any", it would.
// @ts-expect-error an option that does not exist
options.colour = 'red';
// @ts-expect-error a format that does not exist
options.formats = ['doc'];
export const wrong = () => [
  // @ts-expect-error a number in the place of an image
  client.POST('/v1/jobs', {body: {image: 1}}),
  // @ts-expect-error a number in the place of words
  client.POST('/v1/3d/generations', {body: {prompt: 1}}),
  // @ts-expect-error a state that does not exist
  client.GET('/v1/jobs', {params: {query: {state: 'lost'}}}),
  // @ts-expect-error an address that does not exist
  client.GET('/v1/job', {}),
];
