import {type Box3, DirectionalLight, type Object3D, type PerspectiveCamera, type Scene, Vector3, type WebGLRenderer} from 'three';
import {Dimensions} from './dimensions.js';
import {Grid} from './grid.js';
import {ContactShadow} from './shadow.js';
import type {Theme} from './theme.js';

const UP = new Vector3(0, 1, 0);

/** What stands around an object: the lamp, the grid on the floor, its dimensions and its shadow. */
export class Surroundings {
  readonly lamp = new DirectionalLight(0xffffff, 2.2);
  private readonly grid = new Grid();
  private readonly dimensions: Dimensions;
  private readonly ground = new ContactShadow();

  /** `parent` has the canvas, and gets the numbers over it. */
  constructor(scene: Scene, private readonly parent: HTMLElement) {
    this.dimensions = new Dimensions(parent);
    scene.add(this.lamp, this.lamp.target, this.grid.lines, this.dimensions.lines, this.ground.plane);
  }

  /** Of the grid, in metres. */
  get cell(): number {
    return this.grid.cell;
  }

  get shadow(): Object3D {
    return this.ground.plane;
  }

  /** For a camera that looks at `target`. The lamp hangs at its left above it, so that forms are seen from every side. */
  place(camera: PerspectiveCamera, target: Vector3, rotation: number): void {
    const distance = camera.position.distanceTo(target);
    const turn = (rotation * Math.PI) / 180;
    const offset = new Vector3(-0.5, 0.7, 0.1).applyAxisAngle(UP, turn).multiplyScalar(distance).applyQuaternion(camera.quaternion);
    this.lamp.position.copy(camera.position).add(offset);
    this.lamp.target.position.copy(target);
    camera.updateMatrixWorld();
    this.dimensions.place(camera, this.parent.clientWidth, this.parent.clientHeight);
  }

  build(box: Box3, theme: Theme): void {
    const size = box.getSize(new Vector3());
    this.grid.build(Math.max(size.x, size.y, size.z), box.min.y, theme);
    this.dimensions.build(box, theme);
  }

  buildShadow(renderer: WebGLRenderer, object: Object3D, box: Box3): void {
    this.ground.build(renderer, object, box);
  }

  show(what: {grid: boolean; dimensions: boolean; shadow: boolean}, theme: Theme): void {
    this.grid.lines.visible = what.grid;
    this.dimensions.show(what.dimensions);
    this.ground.plane.visible = what.shadow;
    this.ground.plane.material.opacity = theme.shadow;
  }

  /** Draws without grid and dimensions. */
  without<Result>(draw: () => Result): Result {
    const lines = [this.grid.lines, this.dimensions.lines];
    const shown = lines.map(({visible}) => visible);
    for (const line of lines) line.visible = false;
    const result = draw();
    lines.forEach((line, i) => (line.visible = shown[i] ?? false));
    return result;
  }
}
