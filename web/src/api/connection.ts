import type {Client} from './client.js';
import {ApiError, Unreachable} from './errors.js';

/** Whether the server answers. While it does not, asks again until it does. */
export class Connection {
  private returning: Promise<void> | null = null;

  /** `changed` is called with false when the server is away, and with true when it is back. */
  constructor(private readonly client: Client, private readonly changed: (present: boolean) => void) {}

  isLoss(error: unknown): boolean {
    return error instanceof Unreachable || (error instanceof ApiError && (error.status === 502 || error.status === 503 || error.status === 504));
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
      }
    }
  }

  /** Resolves when the server answers again. */
  back(): Promise<void> {
    this.returning ??= this.wait().finally(() => {
      this.returning = null;
    });
    return this.returning;
  }

  private async wait(): Promise<void> {
    this.changed(false);
    for (let attempt = 0; !(await this.client.healthy()); ++attempt) await this.pause(Math.min(500 + 250 * attempt, 3000));
    this.changed(true);
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
