// Server-sent events from chunks of text (HTML Living Standard, 9.2.6): the part of it that the server uses.

export interface ServerEvent {
  event: string;
  data: string;
}

export class EventParser {
  private pending = '';
  private event = '';
  private data: string[] = [];

  /** Takes a chunk, returns the events that it completes. */
  push(chunk: string): ServerEvent[] {
    const done: ServerEvent[] = [];
    this.pending += chunk;
    for (;;) {
      const end = this.pending.indexOf('\n');
      if (end < 0) return done;
      const line = this.pending.slice(0, end).replace(/\r$/, '');
      this.pending = this.pending.slice(end + 1);
      const complete = this.take(line);
      if (complete) done.push(complete);
    }
  }

  private take(line: string): ServerEvent | null {
    if (line === '') {
      const complete = this.data.length > 0 ? {event: this.event || 'message', data: this.data.join('\n')} : null;
      this.event = '';
      this.data = [];
      return complete;
    }
    if (line.startsWith(':')) return null;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.event = value;
    if (field === 'data') this.data.push(value);
    return null;
  }
}
