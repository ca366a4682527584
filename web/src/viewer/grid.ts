import {BufferGeometry, Float32BufferAttribute, LineBasicMaterial, LineSegments} from 'three';
import type {Theme} from './theme.js';

/** The cell of a grid under an object of that size: 1, 0.1, 0.01 ... metres. */
export function cellFor(size: number): number {
  return size > 0 && Number.isFinite(size) ? 10 ** Math.floor(Math.log10(size / 2)) : 0.1;
}

/** Lines on the floor, a cell apart, every fifth stronger, fading out with the distance. */
export class Grid {
  readonly lines = new LineSegments(new BufferGeometry(), new LineBasicMaterial({vertexColors: true, transparent: true, depthWrite: false}));
  cell = 0.1;

  constructor() {
    this.lines.renderOrder = -2;
  }

  build(size: number, floor: number, theme: Theme): void {
    this.cell = cellFor(size);
    const reach = 15;
    const positions: number[] = [];
    const colours: number[] = [];
    const put = (i: number, j: number, strong: boolean): void => {
      const fade = Math.max(0, 1 - Math.hypot(i, j) / reach);
      const colour = strong ? theme.lineStrong : theme.line;
      positions.push(i * this.cell, 0, j * this.cell);
      colours.push(colour.r, colour.g, colour.b, fade * fade * (3 - 2 * fade) * (strong ? 0.9 : 0.6));
    };
    for (let i = -reach; i <= reach; ++i) {
      const strong = i % 5 === 0;
      for (let j = -reach; j < reach; ++j) {
        put(i, j, strong);
        put(i, j + 1, strong);
        put(j, i, strong);
        put(j + 1, i, strong);
      }
    }
    const geometry = new BufferGeometry();
    geometry.setAttribute('position', new Float32BufferAttribute(positions, 3));
    geometry.setAttribute('color', new Float32BufferAttribute(colours, 4));
    this.lines.geometry.dispose();
    this.lines.geometry = geometry;
    this.lines.position.y = floor;
  }
}
