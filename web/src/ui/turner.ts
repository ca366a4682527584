import type {Client} from '../api/client.js';
import type {Job} from '../api/types.js';
import {prefersStillness} from '../core/dom.js';
import type {Turning} from '../viewer/turning.js';

const DELAY = 250;  // a pointer that only passes turns nothing

/** Lets the asset turn in the place of its thumbnail while the pointer or the focus is on its card. */
export class Turner {
  private turning: Promise<Turning> | null = null;
  private now: HTMLElement | null = null;
  private timer = 0;
  private abort = new AbortController();

  constructor(private readonly client: Client) {}

  watch(card: HTMLElement, place: HTMLElement, job: () => Job | null): void {
    const begin = (): void => this.begin(place, job());
    const end = (): void => {
      if (this.now === place) this.stop();
    };
    // Not where it is entered: a card that comes to lie under a pointer at rest was not meant, and three.js takes a while to begin.
    card.addEventListener('pointermove', begin, {passive: true});
    card.addEventListener('pointerleave', end);
    card.addEventListener('focusin', () => card.matches(':has(:focus-visible)') && begin());
    card.addEventListener('focusout', end);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.abort.abort();
    this.now = null;
    void this.turning?.then((turning) => turning.stop(), () => undefined);
  }

  private begin(place: HTMLElement, job: Job | null): void {
    const glb = job?.files.find(({role, format}) => role === 'result' && format === 'glb');
    if (!glb || place === this.now || prefersStillness()) return;
    this.stop();
    this.now = place;
    const {signal} = this.abort = new AbortController();
    this.timer = window.setTimeout(() => void this.turn(place, glb.url, signal), DELAY);
  }

  private async turn(place: HTMLElement, url: string, signal: AbortSignal): Promise<void> {
    try {
      const file = await this.client.file(url, signal);
      this.turning ??= import('../viewer/turning.js').then(({Turning: Made}) => new Made());
      await (await this.turning).start(place, file, signal);
    } catch {
      // Without WebGL, or without the file, the image stays as it is.
    }
  }
}
