import '../style/viewer.css';
import {AmbientLight, Clock, HemisphereLight, Scene, SRGBColorSpace, Vector3, WebGLRenderer} from 'three';
import {CameraStand} from './camera_stand.js';
import {Exhibits, type Section, type View} from './exhibits.js';
import {Look, type LookSettings} from './look.js';
import {Ruler} from './ruler.js';
import {Surroundings} from './surroundings.js';
import {type Theme, themeOf} from './theme.js';

export type {Section, View} from './exhibits.js';

/** The scene of one asset, as long as the page lives. Draws when something changed, not otherwise. */
export class Viewer {
  readonly canvas: HTMLCanvasElement;
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly stand: CameraStand;
  private readonly exhibits: Exhibits;
  private readonly around: Surroundings;
  private readonly look: Look;
  private readonly ruler: Ruler;
  private readonly dark = matchMedia('(prefers-color-scheme: dark)');
  private readonly clock = new Clock();
  private theme: Theme;
  private view: View = 'textured';
  private withGrid = true;
  private waiting = 0;

  /** Throws where there is no WebGL. `onLost` is called when the GPU takes the context away, and when it is back. */
  constructor(private readonly parent: HTMLElement, private readonly onLost: (lost: boolean) => void) {
    this.renderer = new WebGLRenderer({antialias: true, alpha: true, powerPreference: 'high-performance'});
    this.renderer.outputColorSpace = SRGBColorSpace;
    this.renderer.setClearAlpha(0);
    this.canvas = this.renderer.domElement;
    parent.append(this.canvas);
    this.theme = themeOf(parent);
    this.stand = new CameraStand(this.canvas, this.invalidate);
    this.exhibits = new Exhibits(this.renderer, this.scene, this.invalidate, () => {
      if (!this.stand.moved) this.stand.framed = false;
    });
    const sky = new HemisphereLight(0xffffff, 0x6f6a62, 1.2);
    const room = new AmbientLight(0xffffff, 0.35);
    this.around = new Surroundings(this.scene, parent);
    this.look = new Look(this.renderer, this.scene, parent, [sky, room, this.around.lamp]);
    this.ruler = new Ruler(parent);
    this.scene.add(sky, room, this.ruler.line, this.ruler.dots);
    this.renderer.localClippingEnabled = true;
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
    this.buildShadow();
    this.refresh();
  };

  private readonly recolour = (): void => {
    this.theme = themeOf(this.parent);
    this.exhibits.recolour(this.theme);
    this.refresh();
  };

  /** Draws at the next frame. */
  readonly invalidate = (): void => {
    if (this.waiting === 0) this.waiting = requestAnimationFrame(this.draw);
  };

  private readonly draw = (): void => {
    this.waiting = 0;
    const {camera, target} = this.stand;
    this.stand.update(Math.min(this.clock.getDelta(), 0.1));
    this.around.place(camera, target, this.look.settings.rotation);
    this.ruler.place(camera, this.parent.clientWidth, this.parent.clientHeight);
    this.render();
    if (this.stand.turning) this.invalidate();
  };

  private render(): void {
    this.exhibits.render(this.view, this.stand.camera, this.parent, this.theme, this.around.shadow);
  }

  private resize(): void {
    const {clientWidth: width, clientHeight: height} = this.parent;
    if (width === 0 || height === 0) return;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(width, height, true);
    this.stand.setAspect(width / height);
    if (this.stand.framed && !this.stand.moved) this.frame();
    this.invalidate();
  }

  get available(): ReadonlySet<View> {
    return this.exhibits.available;
  }

  get size(): Vector3 | null {
    return this.exhibits.box?.getSize(new Vector3()) ?? null;
  }

  get cell(): number {
    return this.around.cell;
  }

  get gaussians(): number {
    return this.exhibits.splats?.count ?? 0;
  }

  get faces(): number {
    return this.exhibits.mesh?.faces ?? 0;
  }

  /** Whether there is an object, or what it is becoming. */
  get shows(): boolean {
    return this.exhibits.box !== null;
  }

  /** What the object is expected to fill, before there is anything else. */
  async setStructure(file: Blob, current: () => boolean): Promise<void> {
    if (await this.exhibits.takeStructure(file, this.theme, current)) this.refresh();
  }

  async setSplats(file: Blob, current: () => boolean): Promise<void> {
    if (await this.exhibits.takeSplats(file, current)) this.refresh();
  }

  async setMesh(file: Blob, current: () => boolean): Promise<void> {
    const stood = await this.exhibits.takeMesh(file, current);
    const {mesh} = this.exhibits;
    if (!stood || !mesh) return;
    this.stand.follow(stood, mesh.placement);
    this.ruler.clear();
    this.buildShadow();
    this.refresh();
  }

  /** Another asset, at the right of a line through the image; null takes it away. */
  async setOther(file: Blob | null, current: () => boolean): Promise<void> {
    if (await this.exhibits.takeOther(file, current)) this.refresh();
  }

  /** Where the line is, as a share of the width. */
  setSplit(share: number): void {
    this.exhibits.split = share;
    this.invalidate();
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
    this.stand.turn(turning);
  }

  /** Cuts the object open; null for whole. */
  setSection(section: Section | null): void {
    this.exhibits.setSection(section);
    this.invalidate();
  }

  /** Measures from and to points of the surface; `x`, `y`: in the image, from -1 to 1. False where there is none. */
  measureAt(x: number, y: number): boolean {
    const shown = this.view === 'layout' ? null : this.exhibits.meshAt((x + 1) / 2);
    if (!shown) return false;
    const hit = this.ruler.take(x, y, this.stand.camera, shown.root, (point) => this.exhibits.isSeen(point), this.theme);
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

  private buildShadow(): void {
    const {mesh} = this.exhibits;
    if (mesh) this.around.buildShadow(this.renderer, mesh.root, mesh.box);
  }

  private refresh(): void {
    const asSplats = this.exhibits.show(this.view, this.theme);
    const {box, mesh} = this.exhibits;
    const visible = box !== null && !box.isEmpty();
    if (visible) {
      this.around.build(box, this.theme);
      if (!this.stand.framed) this.frame();
    }
    const flat = this.view === 'layout' && mesh !== null;
    const measured = visible && this.withGrid;
    this.around.show({grid: measured, dimensions: measured && !flat, shadow: mesh !== null && !asSplats}, this.theme);
    this.invalidate();
  }

  /** The whole object in view, from the front, a little from above. */
  frame(): void {
    const {box} = this.exhibits;
    if (box && !box.isEmpty()) this.stand.frame(box);
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
    this.stand.orbit(right, up, nearer);
  }

  /** What is seen, without grid, before nothing. */
  async snapshot(): Promise<Blob | null> {
    const image = this.around.without(() => {
      this.render();
      return new Promise<Blob | null>((resolve) => this.canvas.toBlob(resolve, 'image/png'));
    });
    this.invalidate();
    return image;
  }

  /** Nothing in view, and nothing of it left on the GPU; the next asset is framed anew. */
  clear(): void {
    this.exhibits.clear();
    this.stand.framed = false;
    this.ruler.clear();
    this.setTurning(false);
    this.refresh();
  }
}
