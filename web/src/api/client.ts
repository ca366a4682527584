import {ApiError, Unreachable, errorOf, isAbort} from './errors.js';
import {EventParser, type ServerEvent} from './sse.js';
import type {Background, Example, FinishOptions, Job, JobOptions, Models, Storage, TurntableOptions} from './types.js';

const KEY = 'espalier.key';

export interface Cutout {
  image: Blob;
  notices: string[];
}

/** `loading`: the server answers, but its checkpoint is not read yet. */
export type Health = 'ready' | 'loading' | 'away';

/** Asks for the server's key; `refused` says that the last one was wrong. Resolves to null when the user gives up. */
export type AskForKey = (refused: boolean) => Promise<string | null>;

/** Every call may throw ApiError or Unreachable. */
export class Client {
  private asking: Promise<boolean> | null = null;

  constructor(private readonly askForKey: AskForKey) {}

  async models(): Promise<Models> {
    return this.json<Models>('/v1/models');
  }

  async examples(): Promise<Example[]> {
    return this.json<Example[]>('/examples/index.json');
  }

  async health(): Promise<Health> {
    try {
      const {status} = (await (await fetch('/health', {cache: 'no-store'})).json()) as {status?: unknown};
      return status === 'ready' || status === 'loading' ? status : 'away';
    } catch {
      return 'away';
    }
  }

  async preprocess(image: File, background: Background, mask: Blob | null, signal: AbortSignal): Promise<Cutout> {
    return this.foreground(image, mask, {background}, signal);
  }

  /** The whole image with its foreground as alpha, upright, at most 1024 pixels on a side. */
  async whole(image: File, background: Background, mask: Blob | null, signal: AbortSignal): Promise<Cutout> {
    return this.foreground(image, mask, {background, view: 'whole'}, signal);
  }

  private async foreground(image: File, mask: Blob | null, fields: Record<string, string>, signal: AbortSignal): Promise<Cutout> {
    const form = new FormData();
    form.set('image', image, image.name);
    if (mask) form.set('mask', mask, 'mask.png');
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    const response = await this.request('/v1/preprocess', {method: 'POST', body: form, signal});
    return {image: await response.blob(), notices: noticesIn(response.headers.get('X-Espalier-Notices'))};
  }

  /** `masks`: one for each image, or null; a mask comes behind its image. */
  async start(images: readonly File[], masks: readonly (Blob | null)[], latent: File | null, options: JobOptions): Promise<Job> {
    const form = new FormData();
    images.forEach((image, i) => {
      form.append('image', image, image.name);
      const mask = masks[i];
      if (mask) form.append('mask', mask, 'mask.png');
    });
    if (latent) form.set('latent', latent, latent.name);
    form.set('options', JSON.stringify(options));
    return this.json<Job>('/v1/jobs', {method: 'POST', body: form});
  }

  async exports(id: string, body: FinishOptions | {turntable: TurntableOptions}): Promise<Job> {
    return this.json<Job>(`/v1/jobs/${encodeURIComponent(id)}/exports`, {method: 'POST', ...asJson(body)});
  }

  /** Assets alone, newest first. */
  async assets(before: string | null, limit: number): Promise<{jobs: Job[]; next: string | null}> {
    const query = new URLSearchParams({kind: 'assets', limit: String(limit)});
    if (before) query.set('before', before);
    return this.json(`/v1/jobs?${query}`);
  }

  /** Whether a key was asked for and given. */
  get hasKey(): boolean {
    return sessionStorage.getItem(KEY) !== null;
  }

  /** What was made from a job, newest first. */
  async madeFrom(parent: string): Promise<Job[]> {
    const {jobs} = await this.json<{jobs: Job[]}>(`/v1/jobs?${new URLSearchParams({parent, limit: '200'})}`);
    return jobs;
  }

  async change(id: string, change: {name?: string; pinned?: boolean; position?: number; before?: string}): Promise<Job> {
    return this.json<Job>(`/v1/jobs/${encodeURIComponent(id)}`, {method: 'PATCH', ...asJson(change)});
  }

  async storage(): Promise<Storage> {
    return this.json<Storage>('/v1/storage');
  }

  async job(id: string): Promise<Job> {
    return this.json<Job>(`/v1/jobs/${encodeURIComponent(id)}`);
  }

  /** Cancels a job that is queued or running, removes one that has ended. */
  async remove(id: string): Promise<void> {
    await this.request(`/v1/jobs/${encodeURIComponent(id)}`, {method: 'DELETE'});
  }

  async file(url: string, signal?: AbortSignal): Promise<Blob> {
    return (await this.request(url, signal ? {signal} : {})).blob();
  }

  /** The events of a job until the server closes the stream. */
  async *events(id: string, signal: AbortSignal): AsyncGenerator<ServerEvent> {
    const response = await this.request(`/v1/jobs/${encodeURIComponent(id)}/events`, {signal, headers: {Accept: 'text/event-stream'}});
    const reader = response.body?.getReader();
    if (!reader) throw new Unreachable();
    const decoder = new TextDecoder();
    const parser = new EventParser();
    try {
      for (;;) {
        const {done, value} = await reader.read();
        if (done) return;
        yield* parser.push(decoder.decode(value, {stream: true}));
      }
    } catch (error) {
      throw isAbort(error) ? error : new Unreachable();
    } finally {
      reader.cancel().catch(() => undefined);
    }
  }

  async json<T>(path: string, init: RequestInit = {}): Promise<T> {
    return (await (await this.request(path, init)).json()) as T;
  }

  async request(path: string, init: RequestInit = {}): Promise<Response> {
    for (;;) {
      const key = sessionStorage.getItem(KEY);
      const headers = new Headers(init.headers);
      if (key) headers.set('Authorization', `Bearer ${key}`);
      let response: Response;
      try {
        response = await fetch(path, {...init, headers, cache: 'no-cache'});
      } catch (error) {
        throw isAbort(error) ? error : new Unreachable();
      }
      if (response.ok) return response;
      const error = errorOf(response.status, await response.text().catch(() => ''));
      if (response.status !== 401) throw error;
      if (!(await this.newKey(key, error))) throw error;
    }
  }

  /** One question at a time, however many calls were refused; true when a call may try again. */
  private async newKey(refused: string | null, error: ApiError): Promise<boolean> {
    if (sessionStorage.getItem(KEY) !== refused) return true;
    this.asking ??= this.askForKey(refused !== null).then((key) => {
      if (key) sessionStorage.setItem(KEY, key);
      return key !== null;
    }).finally(() => {
      this.asking = null;
    });
    if (await this.asking) return true;
    throw error;
  }
}

export function asJson(value: unknown): RequestInit {
  return {headers: {'Content-Type': 'application/json'}, body: JSON.stringify(value)};
}

function noticesIn(header: string | null): string[] {
  try {
    const list: unknown = JSON.parse(header ?? '[]');
    return Array.isArray(list) ? list.map(String) : [];
  } catch {
    return [];
  }
}

