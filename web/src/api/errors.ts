import {capitalised} from '../core/format.js';
import type {ErrorBody} from './types.js';
import {words} from '../core/words.js';

/** What the server refused, in its own words. */
export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly hint: string) {
    super(message);
    this.name = 'ApiError';
  }
}

/** No answer: the server is stopped, or the network is down. */
export class Unreachable extends Error {
  constructor() {
    super(words.app.away);
    this.name = 'Unreachable';
  }
}

/** The error in a body that may be the server's JSON or a proxy's page. */
export function errorOf(status: number, text: string): ApiError {
  try {
    const {error} = JSON.parse(text) as {error?: ErrorBody};
    if (error && typeof error.message === 'string') {
      return new ApiError(status, String(error.code ?? 'unknown'), error.message, String(error.hint ?? ''));
    }
  } catch {
    // Not JSON: said below by its status.
  }
  return new ApiError(status, 'unknown', words.errors.status(status), words.app.seeLog);
}

export interface Explained {
  message: string;
  hint: string;
}

/** Any error as something to show: what happened, and what to do. */
export function explain(error: unknown): Explained {
  if (error instanceof ApiError && error.status === 401) {
    return {message: capitalised(error.message), hint: words.errors.key};
  }
  if (error instanceof ApiError) return {message: capitalised(error.message), hint: capitalised(error.hint)};
  if (error instanceof Unreachable) {
    return {message: error.message, hint: words.errors.unreachableHint};
  }
  return {message: capitalised(error instanceof Error ? error.message : String(error)), hint: ''};
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
