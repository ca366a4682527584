import type {Client} from './client.js';
import type {Connection} from './connection.js';
import {isFinal, type Job, type JobFile, type Progress} from './types.js';

/** Calls `changed` with the job whenever it changed, until it has ended or `signal` aborts; goes on after the server was away. */
export async function follow(client: Client, connection: Connection, id: string, signal: AbortSignal, changed: (job: Job) => void): Promise<Job> {
  for (;;) {
    let job = await connection.patiently(() => client.job(id), signal);
    changed(job);
    if (isFinal(job.state)) return job;
    try {
      for await (const {event, data} of client.events(id, signal)) {
        job = applied(job, event, data);
        changed(job);
        if (isFinal(job.state)) return job;
      }
    } catch (error) {
      if (!connection.isLoss(error)) throw error;
    }
    // The stream ended though the job has not: a restart, or a proxy that cuts long answers.
    await connection.pause(400, signal);
  }
}

/** The job after an event of its stream. */
export function applied(job: Job, event: string, data: string): Job {
  if (event === 'state') return JSON.parse(data) as Job;
  if (event === 'progress') return {...job, progress: JSON.parse(data) as Progress};
  if (event === 'file') {
    const file = JSON.parse(data) as JobFile;
    return {...job, files: [...job.files.filter(({name}) => name !== file.name), file]};
  }
  return job;
}
