// A mask that is mended by hand: what belongs to the object (255), what does not (0), and soft edges between.

export interface Point {
  x: number;
  y: number;
}
export interface Area {
  left: number;
  top: number;
  right: number;  // just outside
  bottom: number;
}

const MOST_STEPS = 40;  // that can be undone

/** Edits change `alpha` in place and can be undone one by one. Pixels are counted from the top left. */
export class Mask {
  readonly alpha: Uint8ClampedArray;
  private readonly before: Uint8ClampedArray[] = [];
  private readonly first: Uint8ClampedArray;

  constructor(readonly width: number, readonly height: number, alpha: Uint8ClampedArray) {
    if (alpha.length !== width * height) throw new RangeError(`${alpha.length} values for ${width} x ${height} pixels`);
    this.alpha = alpha.slice();
    this.first = alpha.slice();
  }

  get canUndo(): boolean {
    return this.before.length > 0;
  }

  /** Whether anything is left of the object. */
  get empty(): boolean {
    return !this.alpha.some((value) => value > 0);
  }

  /** To be called before an edit, which may have many strokes: what follows is undone together. */
  begin(): void {
    this.before.push(this.alpha.slice());
    if (this.before.length > MOST_STEPS) this.before.shift();
  }

  undo(): void {
    const last = this.before.pop();
    if (last) this.alpha.set(last);
  }

  /** As at the beginning, which can be undone as well. */
  reset(): void {
    this.begin();
    this.alpha.set(this.first);
  }

  /** A round brush from one point to another, with an edge one pixel soft. */
  stroke(from: Point, to: Point, radius: number, value: 0 | 255): void {
    const reach = radius + 1;
    const area = this.within({left: Math.min(from.x, to.x) - reach, top: Math.min(from.y, to.y) - reach, right: Math.max(from.x, to.x) + reach, bottom: Math.max(from.y, to.y) + reach});
    const along = {x: to.x - from.x, y: to.y - from.y};
    const length = along.x * along.x + along.y * along.y;
    for (let y = area.top; y < area.bottom; ++y) {
      for (let x = area.left; x < area.right; ++x) {
        const at = {x: x + 0.5 - from.x, y: y + 0.5 - from.y};
        const t = length === 0 ? 0 : Math.min(1, Math.max(0, (at.x * along.x + at.y * along.y) / length));
        const distance = Math.hypot(at.x - t * along.x, at.y - t * along.y);
        this.blend(y * this.width + x, value, Math.min(1, Math.max(0, radius + 0.5 - distance)));
      }
    }
  }

  rectangle(corner: Point, opposite: Point, value: 0 | 255): void {
    const area = this.between(corner, opposite);
    for (let y = area.top; y < area.bottom; ++y) this.alpha.fill(value, y * this.width + area.left, y * this.width + area.right);
  }

  /** Nothing is kept outside. */
  crop(corner: Point, opposite: Point): void {
    const area = this.between(corner, opposite);
    for (let y = 0; y < this.height; ++y) {
      const row = y * this.width;
      const inside = y >= area.top && y < area.bottom;
      this.alpha.fill(0, row, row + (inside ? area.left : this.width));
      if (inside) this.alpha.fill(0, row + area.right, row + this.width);
    }
  }

  /** What is linked to a pixel by colours that differ from its by at most `tolerance` (0 to 255 in each channel). `colours`: RGBA. */
  fill(colours: Uint8ClampedArray, start: Point, tolerance: number, value: 0 | 255): void {
    if (!this.has(start)) return;
    const first = Math.floor(start.y) * this.width + Math.floor(start.x);
    const like = (i: number): boolean => [0, 1, 2].every((c) => Math.abs((colours[i * 4 + c] ?? 0) - (colours[first * 4 + c] ?? 0)) <= tolerance);
    const seen = new Uint8Array(this.alpha.length);
    const open = [first];
    seen[first] = 1;
    for (let i = open.pop(); i !== undefined; i = open.pop()) {
      this.alpha[i] = value;
      const x = i % this.width;
      for (const next of [x > 0 ? i - 1 : -1, x + 1 < this.width ? i + 1 : -1, i - this.width, i + this.width]) {
        if (next < 0 || next >= seen.length || seen[next] || !like(next)) continue;
        seen[next] = 1;
        open.push(next);
      }
    }
  }

  has({x, y}: Point): boolean {
    return x >= 0 && y >= 0 && x < this.width && y < this.height;
  }

  private blend(i: number, value: number, share: number): void {
    if (share > 0) this.alpha[i] = Math.round((this.alpha[i] ?? 0) * (1 - share) + value * share);
  }

  private between(a: Point, b: Point): Area {
    return this.within({left: Math.min(a.x, b.x), top: Math.min(a.y, b.y), right: Math.max(a.x, b.x), bottom: Math.max(a.y, b.y)});
  }

  private within({left, top, right, bottom}: Area): Area {
    const clamp = (value: number, most: number): number => Math.min(most, Math.max(0, value));
    return {left: clamp(Math.floor(left), this.width), top: clamp(Math.floor(top), this.height), right: clamp(Math.ceil(right), this.width), bottom: clamp(Math.ceil(bottom), this.height)};
  }
}
