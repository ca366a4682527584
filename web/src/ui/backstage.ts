import type {Client} from '../api/client.js';
import type {Connection} from '../api/connection.js';
import {ApiError} from '../api/errors.js';
import {follow} from '../api/follow.js';
import type {FinishOptions, Job, TurntableOptions} from '../api/types.js';
import {words} from '../core/words.js';

/** Jobs that make a file of an asset while the asset stays in view. */
export class Backstage {
  constructor(readonly client: Client, private readonly connection: Connection, private readonly changed: () => void) {}

  async run(parent: string, request: FinishOptions | {turntable: TurntableOptions}, onprogress: (fraction: number, job: Job) => void,
    signal = new AbortController().signal, onstart: (job: Job) => void = () => undefined): Promise<Job> {
    const started = await this.client.exports(parent, request);
    onstart(started);
    this.changed();
    const done = await follow(this.client, this.connection, started.id, signal, (job) => onprogress(job.progress?.fraction ?? 0, job));
    this.changed();
    if (done.state === 'done') return done;
    if (done.error) throw new ApiError(0, done.error.code, done.error.message, done.error.hint ?? '');
    throw new ApiError(0, 'cancelled', words.errors.jobCancelled, words.errors.jobCancelledHint);
  }
}
