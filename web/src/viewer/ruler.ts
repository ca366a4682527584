import {BufferGeometry, Float32BufferAttribute, LineBasicMaterial, LineSegments, type Object3D, type PerspectiveCamera, Points, PointsMaterial, Raycaster, Vector2, Vector3} from 'three';
import {h} from '../core/dom.js';
import {metres} from '../core/format.js';
import type {Theme} from './theme.js';

/** Measures between two points of the surface. */
export class Ruler {
  readonly line = new LineSegments(new BufferGeometry(), new LineBasicMaterial({depthTest: false, transparent: true}));
  readonly dots = new Points(new BufferGeometry(), new PointsMaterial({size: 9, sizeAttenuation: false, depthTest: false, transparent: true}));
  private readonly label = h('output', {class: 'dimension ruler', hidden: true});
  private readonly ends: Vector3[] = [];

  constructor(parent: HTMLElement) {
    this.line.renderOrder = this.dots.renderOrder = 5;
    this.line.frustumCulled = this.dots.frustumCulled = false;
    parent.append(this.label);
    this.clear();
  }

  /** In metres; null before there are two points. */
  get length(): number | null {
    const [a, b] = this.ends;
    return a && b ? a.distanceTo(b) : null;
  }

  /** Takes the point of the surface at a place of the image, from -1 to 1; a third begins anew. False where there is nothing.
      `seen`: whether a point is drawn. */
  take(x: number, y: number, camera: PerspectiveCamera, target: Object3D, seen: (point: Vector3) => boolean, theme: Theme): boolean {
    camera.updateMatrixWorld();  // it may have moved since the last frame
    const ray = new Raycaster();
    ray.setFromCamera(new Vector2(x, y), camera);
    const hit = ray.intersectObject(target, true).find(({point}) => seen(point));
    if (!hit) return false;
    if (this.ends.length === 2) this.ends.length = 0;
    this.ends.push(hit.point);
    this.line.material.color.copy(theme.accent);
    this.dots.material.color.copy(theme.accent);
    this.build();
    return true;
  }

  clear(): void {
    this.ends.length = 0;
    this.build();
  }

  place(camera: PerspectiveCamera, width: number, height: number): void {
    const [a, b] = this.ends;
    if (!a || !b) return;
    const middle = a.clone().add(b).multiplyScalar(0.5).project(camera);
    this.label.style.transform = `translate(-50%, -160%) translate(${((middle.x + 1) / 2) * width}px, ${((1 - middle.y) / 2) * height}px)`;
  }

  private build(): void {
    const positions = this.ends.flatMap(({x, y, z}) => [x, y, z]);
    for (const object of [this.line, this.dots]) {
      object.geometry.dispose();
      object.geometry = new BufferGeometry();
      object.geometry.setAttribute('position', new Float32BufferAttribute(positions, 3));
    }
    this.dots.visible = this.ends.length > 0;
    this.line.visible = this.ends.length === 2;
    this.label.hidden = this.length === null;
    this.label.textContent = this.length === null ? '' : metres(this.length);
  }
}
