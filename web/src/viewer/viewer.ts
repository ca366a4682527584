import '../style/viewer.css';
import {AmbientLight, Box3, Clock, DirectionalLight, HemisphereLight, PerspectiveCamera, Plane, Scene, SRGBColorSpace, Vector3, WebGLRenderer} from 'three';
import {OrbitControls} from 'three/addons/controls/OrbitControls.js';
import {prefersStillness} from '../core/dom.js';
import {Dimensions} from './dimensions.js';
import {Grid} from './grid.js';
import {Look, type LookSettings} from './look.js';
import {MESH_VIEWS, MeshModel, type MeshView} from './mesh_model.js';
import {between, IN_PLACE, type Placement} from './placement.js';
import {Ruler} from './ruler.js';
import {ContactShadow} from './shadow.js';
import type {SplatModel, SplatPainter} from './splat_model.js';
import {StructureModel} from './structure_model.js';
import {type Theme, themeOf} from './theme.js';

export type View = 'splats' | MeshView;
/** Where an object is cut open: along an axis, at a share of its size; what lies beyond is left out, or what lies before. */
export interface Section {
  axis: 'x' | 'y' | 'z';
  share: number;
  flipped: boolean;
}
export const VIEWS: readonly View[] = ['splats', ...MESH_VIEWS];

const FIELD_OF_VIEW = 35;
const AZIMUTH = 30;
const ELEVATION = 18;
const TURN_SPEED = {lively: 7.5, still: 2};  // of the turntable: 60 / seconds
const UP = new Vector3(0, 1, 0);
const MARGIN = {aside: 1.3, above: 1.17};  // around the object, as shares of it

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

/** The scene of one asset, as long as the page lives. Draws when something changed, not otherwise. */
export class Viewer {
  readonly canvas: HTMLCanvasElement;
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 100);
  private readonly controls: OrbitControls;
  private readonly lamp = new DirectionalLight(0xffffff, 2.2);
  private readonly grid = new Grid();
  private readonly dimensions: Dimensions;
  private readonly shadow = new ContactShadow();
  private readonly look: Look;
  private readonly ruler: Ruler;
  private readonly plane = new Plane();
  private section: Section | null = null;
  private readonly dark = matchMedia('(prefers-color-scheme: dark)');
  private readonly clock = new Clock();
  private theme: Theme;
  private painter: SplatPainter | null = null;
  private splats: SplatModel | null = null;
  private structure: StructureModel | null = null;  // until there is something better
  private mesh: MeshModel | null = null;
  private other: MeshModel | null = null;  // seen on the right of `split`, which is a share of the width
  private split = 0.5;
  private view: View = 'textured';
  private withGrid = true;
  private waiting = 0;
  private framed = false;
  private moved = false;  // by the user, since it was framed

  /** Throws where there is no WebGL. `onLost` is called when the card takes the context away, and when it is back. */
  constructor(private readonly parent: HTMLElement, private readonly onLost: (lost: boolean) => void) {
    this.renderer = new WebGLRenderer({antialias: true, alpha: true, powerPreference: 'high-performance'});
    this.renderer.outputColorSpace = SRGBColorSpace;
    this.renderer.setClearAlpha(0);
    this.canvas = this.renderer.domElement;
    parent.append(this.canvas);
    this.theme = themeOf(parent);
    this.dimensions = new Dimensions(parent);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.enableDamping = !prefersStillness();
    this.controls.dampingFactor = 0.12;
    this.controls.addEventListener('change', this.invalidate);
    this.controls.addEventListener('start', () => {
      this.moved = true;
    });
    const sky = new HemisphereLight(0xffffff, 0x6f6a62, 1.2);
    const room = new AmbientLight(0xffffff, 0.35);
    this.scene.add(sky, room, this.lamp, this.lamp.target);
    this.look = new Look(this.renderer, this.scene, parent, [sky, room, this.lamp]);
    this.ruler = new Ruler(parent);
    this.scene.add(this.ruler.line, this.ruler.dots);
    this.renderer.localClippingEnabled = true;
    this.scene.add(this.grid.lines, this.dimensions.lines, this.shadow.plane);
    this.canvas.addEventListener('webglcontextlost', this.lost);
    this.canvas.addEventListener('webglcontextrestored', this.restored);
    this.dark.addEventListener('change', this.recolour);
    new ResizeObserver(() => this.resize()).observe(parent);
    this.clear();
    this.resize();
  }

  private readonly lost = (event: Event): void => {
    event.preventDefault();
    this.onLost(true);
  };

  private readonly restored = (): void => {
    this.onLost(false);
    this.look.forget();
    if (this.mesh) this.shadow.build(this.renderer, this.mesh.root, this.mesh.box);
    this.refresh();
  };

  private readonly recolour = (): void => {
    this.theme = themeOf(this.parent);
    this.mesh?.forgetMaterials();
    this.other?.forgetMaterials();
    this.structure?.recolour(this.theme);
    this.refresh();
  };

  /** Draws at the next frame. */
  readonly invalidate = (): void => {
    if (this.waiting === 0) this.waiting = requestAnimationFrame(this.draw);
  };

  private readonly draw = (): void => {
    this.waiting = 0;
    this.controls.update(Math.min(this.clock.getDelta(), 0.1));
    this.lamp.position.copy(this.camera.position).add(this.lampOffset());
    this.lamp.target.position.copy(this.controls.target);
    this.camera.updateMatrixWorld();
    this.dimensions.place(this.camera, this.parent.clientWidth, this.parent.clientHeight);
    this.ruler.place(this.camera, this.parent.clientWidth, this.parent.clientHeight);
    this.render();
    if (this.controls.autoRotate) this.invalidate();
  };

  private render(): void {
    if (this.mesh && this.view === 'layout') {
      this.mesh.layout.draw(this.renderer, this.parent.clientWidth, this.parent.clientHeight, this.theme);
      return;
    }
    if (!this.mesh || !this.other) {
      this.renderer.render(this.scene, this.camera);
      return;
    }
    const {clientWidth: width, clientHeight: height} = this.parent;
    const at = Math.round(this.split * width);
    const shadow = this.shadow.plane.visible;
    this.renderer.setScissorTest(true);
    for (const [model, from, to] of [[this.mesh, 0, at], [this.other, at, width]] as const) {
      this.mesh.root.visible = model === this.mesh;
      this.other.root.visible = model === this.other;
      this.shadow.plane.visible = shadow && model === this.mesh;
      this.renderer.setScissor(from, 0, to - from, height);
      if (to > from) this.renderer.render(this.scene, this.camera);
    }
    this.renderer.setScissorTest(false);
    this.mesh.root.visible = true;
    this.shadow.plane.visible = shadow;
  }

  /** The lamp hangs at the left above the camera, so that forms are seen from every side. */
  private lampOffset(): Vector3 {
    const distance = this.camera.position.distanceTo(this.controls.target);
    const turn = (this.look.settings.rotation * Math.PI) / 180;
    return new Vector3(-0.5, 0.7, 0.1).applyAxisAngle(UP, turn).multiplyScalar(distance).applyQuaternion(this.camera.quaternion);
  }

  private resize(): void {
    const {clientWidth: width, clientHeight: height} = this.parent;
    if (width === 0 || height === 0) return;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(width, height, true);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    if (this.framed && !this.moved) this.frame();
    this.invalidate();
  }

  get available(): ReadonlySet<View> {
    const views = new Set<View>();
    if (this.splats && !this.other) views.add('splats');
    if (this.mesh) for (const view of MESH_VIEWS) if ((view !== 'checker' && view !== 'layout') || this.mesh.hasUv) views.add(view);
    return views;
  }

  get size(): Vector3 | null {
    const box = this.box();
    return box ? box.getSize(new Vector3()) : null;
  }

  get cell(): number {
    return this.grid.cell;
  }

  get gaussians(): number {
    return this.splats?.count ?? 0;
  }

  get faces(): number {
    return this.mesh?.faces ?? 0;
  }

  /** Whether there is an object, or what it is becoming. */
  get shows(): boolean {
    return this.box() !== null;
  }

  /** What the object is expected to fill, before there is anything else. */
  async setStructure(file: Blob, current: () => boolean): Promise<void> {
    const model = await StructureModel.load(file, this.theme);
    if (!current() || this.splats || this.mesh) return model.dispose();
    this.leaveStructure();
    this.structure = model;
    this.scene.add(model.mesh);
    this.refresh();
  }

  /** Something better is there, and framed unless somebody has turned it meanwhile. */
  private leaveStructure(): void {
    if (!this.structure) return;
    this.structure.dispose();
    this.structure = null;
    if (!this.moved) this.framed = false;
  }

  async setSplats(file: Blob, current: () => boolean): Promise<void> {
    const {SplatModel, SplatPainter} = await import('./splat_model.js');
    const model = await SplatModel.load(file);
    if (!current()) return model.dispose();
    this.painter ??= new SplatPainter(this.renderer, this.scene, this.invalidate);
    this.leaveStructure();
    this.splats?.dispose();
    this.splats = model;
    if (this.mesh) model.standAs(this.mesh.placement);
    this.scene.add(model.mesh);
    this.refresh();
  }

  async setMesh(file: Blob, current: () => boolean): Promise<void> {
    const model = await MeshModel.load(file);
    if (!current()) return model.dispose();
    this.leaveStructure();
    const stood = this.mesh?.placement ?? IN_PLACE;
    this.mesh?.dispose();
    this.mesh = model;
    this.splats?.standAs(model.placement);
    this.follow(stood, model.placement);
    this.ruler.clear();
    this.cut();
    this.scene.add(model.root);
    this.shadow.build(this.renderer, model.root, model.box);
    this.refresh();
  }

  /** Another asset, at the right of a line through the image; null takes it away. */
  async setOther(file: Blob | null, current: () => boolean): Promise<void> {
    const model = file ? await MeshModel.load(file) : null;
    if (!current()) return model?.dispose();
    this.other?.dispose();
    this.other = model;
    this.cut();
    if (model) this.scene.add(model.root);  // its origin where that of the first is: on the floor
    this.refresh();
  }

  /** Where the line is, as a share of the width. */
  setSplit(share: number): void {
    this.split = share;
    this.invalidate();
  }

  /** The object stands elsewhere now, or has another size: the camera sees of it what it saw. */
  private follow(from: Placement, to: Placement): void {
    const {scale, move} = between(from, to);
    if (!this.framed || (scale === 1 && move.every((part) => part === 0))) return;
    if (!this.moved) {
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

  setView(view: View): void {
    this.view = view;
    this.refresh();
  }

  /** Grid and dimensions. */
  setMeasured(measured: boolean): void {
    this.withGrid = measured;
    this.refresh();
  }

  setLook(settings: Readonly<LookSettings>): void {
    this.look.set(settings);
    this.invalidate();
  }

  /** Turns the object until it is told to stop. */
  setTurning(turning: boolean): void {
    this.controls.autoRotate = turning;
    this.controls.autoRotateSpeed = prefersStillness() ? TURN_SPEED.still : TURN_SPEED.lively;
    this.invalidate();
  }

  /** Cuts the object open; null for whole. */
  setSection(section: Section | null): void {
    this.section = section;
    this.cut();
    this.invalidate();
  }

  private cut(): void {
    const box = this.mesh?.box;
    if (this.section && box) {
      const {axis, share, flipped} = this.section;
      const at = box.min[axis] + (box.max[axis] - box.min[axis]) * share;
      this.plane.normal.set(0, 0, 0)[axis] = flipped ? 1 : -1;
      this.plane.constant = flipped ? -at : at;
    }
    const planes = this.section ? [this.plane] : null;
    this.mesh?.clip(planes);
    this.other?.clip(planes);
  }

  /** Measures from and to points of the surface; `x`, `y`: in the image, from -1 to 1. False where there is none. */
  measureAt(x: number, y: number): boolean {
    if (!this.mesh || this.view === 'layout') return false;
    const shown = this.other && (x + 1) / 2 > this.split ? this.other : this.mesh;
    const seen = (point: Vector3): boolean => this.section === null || this.plane.distanceToPoint(point) >= 0;
    const hit = this.ruler.take(x, y, this.camera, shown.root, seen, this.theme);
    this.invalidate();
    return hit;
  }

  get measured(): number | null {
    return this.ruler.length;
  }

  stopMeasuring(): void {
    this.ruler.clear();
    this.invalidate();
  }

  private box(): Box3 | null {
    return this.mesh?.box ?? this.splats?.box ?? this.structure?.box ?? null;
  }

  private refresh(): void {
    const asSplats = this.view === 'splats' && this.splats !== null && this.other === null;
    if (this.splats) this.splats.mesh.visible = asSplats;
    if (this.painter) this.painter.visible = asSplats;
    if (this.mesh) {
      this.mesh.root.visible = !asSplats;
      const view: MeshView = this.view === 'splats' || ((this.view === 'checker' || this.view === 'layout') && !this.mesh.hasUv) ? 'textured' : this.view;
      this.mesh.show(view, this.theme);
      this.other?.show(view, this.theme);
    }
    const box = this.box();
    const visible = box !== null && !box.isEmpty();
    if (visible) {
      const size = box.getSize(new Vector3());
      this.grid.build(Math.max(size.x, size.y, size.z), box.min.y, this.theme);
      this.dimensions.build(box, this.theme);
      if (!this.framed) this.frame();
    }
    const flat = this.view === 'layout' && this.mesh !== null;
    this.grid.lines.visible = visible && this.withGrid;
    this.dimensions.show(visible && this.withGrid && !flat);
    this.shadow.plane.visible = this.mesh !== null && !asSplats;
    this.shadow.plane.material.opacity = this.theme.shadow;
    this.invalidate();
  }

  /** The whole object in view, from the front, a little from above. */
  frame(): void {
    const box = this.box();
    if (!box || box.isEmpty()) return;
    this.framed = true;
    this.moved = false;
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
    this.invalidate();
  }

  /** After a change of the place's shape. */
  reframe(): void {
    this.resize();
    this.frame();
  }

  /** Fetches what draws splats before there are any. */
  async prepare(): Promise<void> {
    await import('./splat_model.js');
  }

  /** Turns by angles in radians around the object, and comes nearer by a factor. */
  orbit(right: number, up: number, nearer: number): void {
    this.moved = true;
    const offset = this.camera.position.clone().sub(this.controls.target);
    const distance = Math.min(Math.max(offset.length() / nearer, this.controls.minDistance), this.controls.maxDistance);
    const polar = Math.min(Math.max(Math.acos(offset.y / offset.length()) - up, 0.02), Math.PI - 0.02);
    const azimuth = Math.atan2(offset.x, offset.z) + right;
    offset.set(Math.sin(polar) * Math.sin(azimuth), Math.cos(polar), Math.sin(polar) * Math.cos(azimuth)).multiplyScalar(distance);
    this.camera.position.copy(this.controls.target).add(offset);
    this.controls.update();
    this.invalidate();
  }

  /** What is seen, without grid, before nothing. */
  async snapshot(): Promise<Blob | null> {
    const shown = [this.grid.lines.visible, this.dimensions.lines.visible];
    this.grid.lines.visible = this.dimensions.lines.visible = false;
    this.render();
    const image = new Promise<Blob | null>((resolve) => this.canvas.toBlob(resolve, 'image/png'));
    this.grid.lines.visible = shown[0] ?? false;
    this.dimensions.lines.visible = shown[1] ?? false;
    this.invalidate();
    return image;
  }

  /** Nothing in view, and nothing of it left on the card; the next asset is framed anew. */
  clear(): void {
    this.structure?.dispose();
    this.structure = null;
    this.splats?.dispose();
    this.painter?.dispose();
    this.mesh?.dispose();
    this.other?.dispose();
    this.other = null;
    this.splats = null;
    this.painter = null;
    this.mesh = null;
    this.framed = false;
    this.section = null;
    this.ruler.clear();
    this.setTurning(false);
    this.refresh();
  }
}
