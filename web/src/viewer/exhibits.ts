import {type Box3, type Object3D, type PerspectiveCamera, Plane, type Scene, type Vector3, type WebGLRenderer} from 'three';
import {MESH_VIEWS, MeshModel, type MeshView} from './mesh_model.js';
import {IN_PLACE, type Placement} from './placement.js';
import type {SplatModel, SplatPainter} from './splat_model.js';
import {StructureModel} from './structure_model.js';
import type {Theme} from './theme.js';

export type View = 'splats' | MeshView;
/** Where an object is cut open: along an axis, at a share of its size; what lies beyond is left out, or what lies before. */
export interface Section {
  axis: 'x' | 'y' | 'z';
  share: number;
  flipped: boolean;
}

/** What is in the scene: an asset as splats and as a mesh, what it is becoming, and another asset beside it. */
export class Exhibits {
  mesh: MeshModel | null = null;
  other: MeshModel | null = null;  // seen at the right of a line
  split = 0.5;                     // where that is, as a share of the width
  splats: SplatModel | null = null;
  structure: StructureModel | null = null;  // until there is something better
  private painter: SplatPainter | null = null;
  private readonly plane = new Plane();
  private section: Section | null = null;

  /** `invalidate` draws at the next frame; `outgrown` is called when something better takes the place of the structure. */
  constructor(private readonly renderer: WebGLRenderer, private readonly scene: Scene, private readonly invalidate: () => void, private readonly outgrown: () => void) {}

  /** Of the best that there is; null for nothing. */
  get box(): Box3 | null {
    return this.mesh?.box ?? this.splats?.box ?? this.structure?.box ?? null;
  }

  get available(): ReadonlySet<View> {
    const views = new Set<View>();
    if (this.splats && !this.other) views.add('splats');
    if (this.mesh) for (const view of MESH_VIEWS) if ((view !== 'checker' && view !== 'layout') || this.mesh.hasUv) views.add(view);
    return views;
  }

  /** These load a file, and say whether it was still wanted then. */
  async takeStructure(file: Blob, theme: Theme, current: () => boolean): Promise<boolean> {
    const model = await StructureModel.load(file, theme);
    if (!current() || this.splats || this.mesh) {
      model.dispose();
      return false;
    }
    this.dropStructure();
    this.structure = model;
    this.scene.add(model.mesh);
    return true;
  }

  async takeSplats(file: Blob, current: () => boolean): Promise<boolean> {
    const {SplatModel, SplatPainter} = await import('./splat_model.js');
    const model = await SplatModel.load(file);
    if (!current()) {
      model.dispose();
      return false;
    }
    this.painter ??= new SplatPainter(this.renderer, this.scene, this.invalidate);
    this.dropStructure();
    this.splats?.dispose();
    this.splats = model;
    if (this.mesh) model.standAs(this.mesh.placement);
    this.scene.add(model.mesh);
    return true;
  }

  /** Where the mesh before it stood; null where it was no longer wanted. */
  async takeMesh(file: Blob, current: () => boolean): Promise<Placement | null> {
    const model = await MeshModel.load(file);
    if (!current()) {
      model.dispose();
      return null;
    }
    this.dropStructure();
    const stood = this.mesh?.placement ?? IN_PLACE;
    this.mesh?.dispose();
    this.mesh = model;
    this.splats?.standAs(model.placement);
    this.cut();
    this.scene.add(model.root);
    return stood;
  }

  /** null takes it away. */
  async takeOther(file: Blob | null, current: () => boolean): Promise<boolean> {
    const model = file ? await MeshModel.load(file) : null;
    if (!current()) {
      model?.dispose();
      return false;
    }
    this.other?.dispose();
    this.other = model;
    this.cut();
    if (model) this.scene.add(model.root);  // its origin where that of the first is: on the floor
    return true;
  }

  /** Shows a view, or the textured mesh where there is no such view; says whether splats are seen now. */
  show(wanted: View, theme: Theme): boolean {
    const asSplats = wanted === 'splats' && this.splats !== null && this.other === null;
    if (this.splats) this.splats.mesh.visible = asSplats;
    if (this.painter) this.painter.visible = asSplats;
    if (this.mesh) {
      this.mesh.root.visible = !asSplats;
      const view: MeshView = wanted === 'splats' || ((wanted === 'checker' || wanted === 'layout') && !this.mesh.hasUv) ? 'textured' : wanted;
      this.mesh.show(view, theme);
      this.other?.show(view, theme);
    }
    return asSplats;
  }

  /** Draws a view as large as `place`; `shadow` belongs to the first asset alone. */
  render(view: View, camera: PerspectiveCamera, place: HTMLElement, theme: Theme, shadow: Object3D): void {
    const {mesh, other, renderer, scene} = this;
    const {clientWidth: width, clientHeight: height} = place;
    if (mesh && view === 'layout') {
      mesh.layout.draw(renderer, width, height, theme);
      return;
    }
    if (!mesh || !other) {
      renderer.render(scene, camera);
      return;
    }
    const at = Math.round(this.split * width);
    const shaded = shadow.visible;
    renderer.setScissorTest(true);
    for (const [model, from, to] of [[mesh, 0, at], [other, at, width]] as const) {
      mesh.root.visible = model === mesh;
      other.root.visible = model === other;
      shadow.visible = shaded && model === mesh;
      renderer.setScissor(from, 0, to - from, height);
      if (to > from) renderer.render(scene, camera);
    }
    renderer.setScissorTest(false);
    mesh.root.visible = true;
    shadow.visible = shaded;
  }

  /** The mesh that is seen at a share of the width. */
  meshAt(share: number): MeshModel | null {
    return this.mesh && this.other && share > this.split ? this.other : this.mesh;
  }

  recolour(theme: Theme): void {
    this.mesh?.forgetMaterials();
    this.other?.forgetMaterials();
    this.structure?.recolour(theme);
  }

  /** Cuts the object open; null for whole. */
  setSection(section: Section | null): void {
    this.section = section;
    this.cut();
  }

  /** Not cut away. */
  isSeen(point: Vector3): boolean {
    return this.section === null || this.plane.distanceToPoint(point) >= 0;
  }

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
    this.section = null;
  }

  private dropStructure(): void {
    if (!this.structure) return;
    this.structure.dispose();
    this.structure = null;
    this.outgrown();
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
}
