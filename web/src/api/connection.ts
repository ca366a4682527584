import type {Client, Health} from './client.js';
import {ApiError, Unreachable} from './errors.js';

/** Whether the server answers and is ready. While it is not, asks again until it is. */
export class Connection {
  private returning: Promise<void> | null = null;

  /** `changed` is called with what the server is while it is waited for, and at last with `ready`. */
  constructor(private readonly client: Client, private readonly changed: (health: Health) => void) {}

  isLoss(error: unknown): boolean {
    if (error instanceof Unreachable) return true;
    return error instanceof ApiError && [502, 503, 504].includes(error.status) && error.code !== 'out_of_memory';
  }

  /** Runs a call; while the server is away, waits and runs it again. */
  async patiently<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (;;) {
      signal?.throwIfAborted();
      try {
        return await call();
      } catch (error) {
        if (!this.isLoss(error)) throw error;
        await this.back();
        await this.pause(200, signal);
      }
    }
  }

  /** Resolves when the server is ready. */
  back(): Promise<void> {
    this.returning ??= this.wait().finally(() => {
      this.returning = null;
    });
    return this.returning;
  }

  private async wait(): Promise<void> {
    for (let attempt = 0; ; ++attempt) {
      const health = await this.client.health();
      this.changed(health);
      if (health === 'ready') return;
      await this.pause(Math.min(500 + 250 * attempt, 3000));
    }
  }

  pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, milliseconds);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      }, {once: true});
    });
  }
}
