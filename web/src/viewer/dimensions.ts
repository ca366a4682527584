import {type Box3, BufferGeometry, Float32BufferAttribute, LineBasicMaterial, LineSegments, type PerspectiveCamera, Vector3} from 'three';
import {h} from '../core/dom.js';
import {metres} from '../core/format.js';
import type {Theme} from './theme.js';
import {words} from '../core/words.js';

const NAMES = ['width', 'height', 'depth'] as const;

/** The middle of a label that stays in the image. */
function inside(left: number, width: number): string {
  const half = 32;
  return Math.min(Math.max(left, half), Math.max(width - half, half)).toFixed(1);
}

/** Width, height and depth along the edges of the box that face the camera; the numbers are elements over the canvas. */
export class Dimensions {
  readonly lines = new LineSegments(new BufferGeometry(), new LineBasicMaterial({transparent: true, opacity: 0.85}));
  private readonly labels = NAMES.map((name) => h('span', {class: 'dimension', 'data-axis': name}));
  private box: Box3 | null = null;

  constructor(parent: HTMLElement) {
    this.lines.geometry.setAttribute('position', new Float32BufferAttribute(new Float32Array(18), 3));
    this.lines.frustumCulled = false;
    parent.append(...this.labels);
  }

  build(box: Box3, theme: Theme): void {
    this.box = box;
    this.lines.material.color.copy(theme.accent);
    const size = box.getSize(new Vector3());
    this.labels.forEach((label, axis) => {
      label.textContent = metres(size.getComponent(axis));
      label.title = words.viewer.axes[NAMES[axis] ?? 'width'];
    });
  }

  show(visible: boolean): void {
    this.lines.visible = visible;
    for (const label of this.labels) label.hidden = !visible;
  }

  place(camera: PerspectiveCamera, width: number, height: number): void {
    const box = this.box;
    if (!box || !this.lines.visible) return;
    const centre = box.getCenter(new Vector3());
    const gap = 0.04 * box.getSize(new Vector3()).length();
    const towards = camera.position.clone().sub(centre);
    const x = towards.x >= 0 ? box.max.x + gap : box.min.x - gap;
    const z = towards.z >= 0 ? box.max.z + gap : box.min.z - gap;
    const farX = towards.x >= 0 ? box.min.x - gap : box.max.x + gap;
    // The height stands where the silhouette ends: at the side corner that lies further from the line of sight.
    const [upX, upZ] = Math.abs(towards.x) > Math.abs(towards.z) ? [x, towards.z >= 0 ? box.min.z - gap : box.max.z + gap] : [farX, z];
    const y = box.min.y;
    const ends: readonly (readonly [Vector3, Vector3])[] = [
      [new Vector3(box.min.x, y, z), new Vector3(box.max.x, y, z)],
      [new Vector3(upX, y, upZ), new Vector3(upX, box.max.y, upZ)],
      [new Vector3(x, y, box.min.z), new Vector3(x, y, box.max.z)],
    ];
    const positions = this.lines.geometry.getAttribute('position');
    ends.forEach(([from, to], i) => {
      positions.setXYZ(2 * i, from.x, from.y, from.z);
      positions.setXYZ(2 * i + 1, to.x, to.y, to.z);
      const middle = from.clone().add(to).multiplyScalar(0.5).project(camera);
      const label = this.labels[i];
      if (!label) return;
      const left = (middle.x + 1) / 2 * width;
      const top = (1 - middle.y) / 2 * height;
      label.hidden = middle.z > 1 || left < 0 || left > width || top < 0 || top > height;
      label.style.transform = `translate(-50%, -50%) translate(${inside(left, width)}px, ${top.toFixed(1)}px)`;
    });
    positions.needsUpdate = true;
  }
}
