import {Box3, PerspectiveCamera, Vector3} from 'three';
import {OrbitControls} from 'three/addons/controls/OrbitControls.js';
import {prefersStillness} from '../core/dom.js';
import {between, type Placement} from './placement.js';

const FIELD_OF_VIEW = 35;
const AZIMUTH = 30;
const ELEVATION = 18;
const TURN_SPEED = {lively: 7.5, still: 2};  // of the turntable: 60 / seconds
const MARGIN = {aside: 1.3, above: 1.17};    // around the object, as shares of it

/** How far from the middle of a box, in that direction, a camera sees its corners, with room for what is written beside them. */
function distanceFor(box: Box3, direction: Vector3, aspect: number): number {
  const tangent = Math.tan((FIELD_OF_VIEW / 2) * Math.PI / 180);
  const right = new Vector3(0, 1, 0).cross(direction).normalize();
  const up = direction.clone().cross(right);
  const centre = box.getCenter(new Vector3());
  let distance = 0;
  for (const x of [box.min.x, box.max.x]) {
    for (const y of [box.min.y, box.max.y]) {
      for (const z of [box.min.z, box.max.z]) {
        const corner = new Vector3(x, y, z).sub(centre);
        const aside = Math.max(MARGIN.above * Math.abs(corner.dot(up)), MARGIN.aside * Math.abs(corner.dot(right)) / aspect);
        distance = Math.max(distance, corner.dot(direction) + aside / tangent);
      }
    }
  }
  return distance;
}

/** The camera and where it stands: framing an object, turning around it, following it. */
export class CameraStand {
  readonly camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 100);
  framed = false;
  private readonly controls: OrbitControls;
  private byUser = false;  // moved, since it was framed

  /** `changed` is called when something else is seen. */
  constructor(canvas: HTMLCanvasElement, private readonly changed: () => void) {
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = !prefersStillness();
    this.controls.dampingFactor = 0.12;
    this.controls.addEventListener('change', changed);
    this.controls.addEventListener('start', () => {
      this.byUser = true;
    });
  }

  get target(): Vector3 {
    return this.controls.target;
  }

  get turning(): boolean {
    return this.controls.autoRotate;
  }

  /** Moved by the user since it was framed. */
  get moved(): boolean {
    return this.byUser;
  }

  update(seconds: number): void {
    this.controls.update(seconds);
  }

  setAspect(aspect: number): void {
    this.camera.aspect = aspect;
    this.camera.updateProjectionMatrix();
  }

  /** Turns around the object until it is told to stop. */
  turn(turning: boolean): void {
    this.controls.autoRotate = turning;
    this.controls.autoRotateSpeed = prefersStillness() ? TURN_SPEED.still : TURN_SPEED.lively;
    this.changed();
  }

  /** The whole box in view, from the front, a little from above. */
  frame(box: Box3): void {
    this.framed = true;
    this.byUser = false;
    const centre = box.getCenter(new Vector3());
    const radius = Math.max(box.getSize(new Vector3()).length() / 2, 1e-3);
    const [azimuth, elevation] = [AZIMUTH * Math.PI / 180, ELEVATION * Math.PI / 180];
    const direction = new Vector3(Math.sin(azimuth) * Math.cos(elevation), Math.sin(elevation), Math.cos(azimuth) * Math.cos(elevation));
    const distance = Math.max(distanceFor(box, direction, this.camera.aspect), radius);
    this.controls.target.copy(centre);
    this.camera.position.copy(centre).addScaledVector(direction, distance);
    this.camera.near = distance / 100;
    this.camera.far = distance * 20;
    this.camera.updateProjectionMatrix();
    this.controls.minDistance = radius * 0.2;
    this.controls.maxDistance = distance * 6;
    this.controls.update();
    this.changed();
  }

  /** The object stands elsewhere now, or has another size: the camera sees of it what it saw. */
  follow(from: Placement, to: Placement): void {
    const {scale, move} = between(from, to);
    if (!this.framed || (scale === 1 && move.every((part) => part === 0))) return;
    if (!this.byUser) {
      this.framed = false;  // nobody has turned it yet: it is framed where it stands now
      return;
    }
    for (const point of [this.camera.position, this.controls.target]) point.multiplyScalar(scale).add(new Vector3(...move));
    this.camera.near *= scale;
    this.camera.far *= scale;
    this.camera.updateProjectionMatrix();
    this.controls.minDistance *= scale;
    this.controls.maxDistance *= scale;
    this.controls.update();
  }

  /** Turns by angles in radians around the object, and comes nearer by a factor. */
  orbit(right: number, up: number, nearer: number): void {
    this.byUser = true;
    const offset = this.camera.position.clone().sub(this.controls.target);
    const distance = Math.min(Math.max(offset.length() / nearer, this.controls.minDistance), this.controls.maxDistance);
    const polar = Math.min(Math.max(Math.acos(offset.y / offset.length()) - up, 0.02), Math.PI - 0.02);
    const azimuth = Math.atan2(offset.x, offset.z) + right;
    offset.set(Math.sin(polar) * Math.sin(azimuth), Math.cos(polar), Math.sin(polar) * Math.cos(azimuth)).multiplyScalar(distance);
    this.camera.position.copy(this.controls.target).add(offset);
    this.controls.update();
    this.changed();
  }
}
