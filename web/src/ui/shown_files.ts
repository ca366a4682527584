import type {Client} from '../api/client.js';
import {ApiError, isAbort} from '../api/errors.js';
import type {Job, JobFile} from '../api/types.js';
import {words} from '../core/words.js';
import type {Notifier} from './notify.js';

/** What the viewer shows of a job: its files, or those that the job it was made from has. */
export interface Shown {
  structure: JobFile | null;  // while there is nothing else
  splats: JobFile | null;
  mesh: JobFile | null;
  images: readonly JobFile[];
}

export function shownOf(job: Job, parent: Job | null): Shown {
  const find = (role: string, format?: string): JobFile | null => {
    const fits = (file: JobFile): boolean => file.role === role && (format === undefined || file.format === format);
    return job.files.find(fits) ?? parent?.files.find(fits) ?? null;
  };
  const splats = find('splats') ?? find('result', 'ply');  // each says in its header where it stands
  const mesh = find('result', 'glb') ?? find('mesh', 'glb');
  return {
    structure: splats || mesh ? null : job.files.filter(({role}) => role === 'structure').at(-1) ?? null,
    splats,
    mesh,
    images: [job, parent].map((one) => one?.files.filter(({role, format}) => role === 'input' && format !== 'safetensors') ?? []).find(({length}) => length > 0) ?? [],
  };
}

/** Which files of one job are shown, and the fetching of those that are new. */
export class ShownFiles {
  private loaded = {structure: '', splats: '', mesh: ''};
  private abort = new AbortController();

  /** `busy` is seen while something is fetched. */
  constructor(private readonly client: Client, private readonly notify: Notifier, private readonly busy: HTMLElement) {}

  /** Aborted once another job is shown. */
  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** The next files belong to another job. */
  reset(): void {
    this.abort.abort();
    this.abort = new AbortController();
    this.loaded = {structure: '', splats: '', mesh: ''};
  }

  /** Fetches a file unless it is shown already; `current` says whether it is still wanted, and `taken` comes last. */
  async load(what: keyof ShownFiles['loaded'], file: JobFile | null, take: (blob: Blob, current: () => boolean) => Promise<void> | void, taken: () => void): Promise<void> {
    if (!file || this.loaded[what] === file.url) return;
    this.loaded[what] = file.url;
    const {signal} = this;
    const current = (): boolean => !signal.aborted && this.loaded[what] === file.url;
    this.busy.hidden = false;
    try {
      const blob = await this.client.file(file.url, signal);
      if (!current()) return;
      await take(blob, current);
      if (current()) taken();
    } catch (error) {
      if (!current() || isAbort(error)) return;
      this.loaded[what] = '';
      if ((file.role === 'mesh' || file.role === 'structure') && error instanceof ApiError && error.status === 404) return;  // a better one took its place
      this.notify.error(words.viewer.notShown(file.name), error);
    } finally {
      if (!signal.aborted) this.busy.hidden = true;
    }
  }
}
