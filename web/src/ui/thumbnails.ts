import type {Client} from '../api/client.js';
import type {Job} from '../api/types.js';
import {h, icon} from '../core/dom.js';

const AT_A_TIME = 6;

interface Wanted {
  place: HTMLElement;
  url: string;
}

/** Images of assets, fetched a few at a time, the ones asked for last first: they are in sight. */
export class Thumbnails {
  private readonly urls = new Map<HTMLElement, string>();     // what a place shows or waits for
  private readonly objects = new Map<HTMLElement, string>();  // what its image has: object URLs are to be taken back
  private queue: Wanted[] = [];
  private running = 0;

  constructor(private readonly client: Client) {}

  show(place: HTMLElement, job: Job): void {
    const image = job.files.find(({role}) => role === 'thumbnail') ?? job.files.find(({role, format}) => role === 'input' && format !== 'safetensors');
    if (!image) {
      if (place.childElementCount === 0) place.replaceChildren(icon(job.state === 'failed' ? 'warning' : 'image'));
      return;
    }
    if (this.urls.get(place) === image.url) return;
    this.urls.set(place, image.url);
    this.queue.push({place, url: image.url});
    void this.work();
  }

  drop(place: HTMLElement): void {
    this.urls.delete(place);
    this.queue = this.queue.filter((one) => one.place !== place);
    this.takeBack(this.objects.get(place));
    this.objects.delete(place);
  }

  clear(): void {
    for (const place of [...this.urls.keys()]) this.drop(place);
  }

  private async work(): Promise<void> {
    if (this.running >= AT_A_TIME) return;
    ++this.running;
    for (let next = this.queue.pop(); next; next = this.queue.pop()) await this.load(next);
    --this.running;
  }

  private async load({place, url}: Wanted): Promise<void> {
    try {
      const object = await this.address(url);
      const image = h('img', {src: object, alt: ''});
      await image.decode();  // what is shown until then stays
      if (this.urls.get(place) !== url) return this.takeBack(object);
      this.takeBack(this.objects.get(place));
      this.objects.set(place, object);
      place.replaceChildren(image);
    } catch {
      if (this.urls.get(place) !== url) return;
      this.urls.delete(place);  // tried again with the next list
      if (place.childElementCount === 0) place.replaceChildren(icon('image'));
    }
  }

  /** Under which an image element gets the image: its own, but where a key has to be sent along. */
  private async address(url: string): Promise<string> {
    return this.client.hasKey ? URL.createObjectURL(await this.client.file(url)) : url;
  }

  private takeBack(address: string | undefined): void {
    if (address?.startsWith('blob:')) URL.revokeObjectURL(address);
  }
}
