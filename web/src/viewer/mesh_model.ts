import {
  Box3, DoubleSide, Group, type Material, Mesh, MeshBasicMaterial, MeshMatcapMaterial, MeshNormalMaterial, MeshStandardMaterial, type Object3D, type Plane, type Texture,
} from 'three';
import {GLTFLoader} from 'three/addons/loaders/GLTFLoader.js';
import {extensionsOf, prepare} from './decoders.js';
import {checkerTexture} from './checker.js';
import {disposeMaterial, disposeTree} from './dispose.js';
import {matcapTexture} from './matcap.js';
import {type Placement, placementIn} from './placement.js';
import type {Theme} from './theme.js';
import {UvLayout} from './uv_layout.js';

export const MESH_VIEWS = ['textured', 'clay', 'normals', 'wireframe', 'checker', 'matcap', 'layout'] as const;
export type MeshView = (typeof MESH_VIEWS)[number];

/** A mesh from a GLB with the materials that its views need, made when first asked for. */
export class MeshModel {
  readonly root = new Group();
  readonly box = new Box3();
  readonly hasUv: boolean;
  readonly faces: number;
  private readonly meshes: Mesh[] = [];
  private readonly original = new Map<Mesh, Material | Material[]>();
  private readonly overlays: Mesh[] = [];
  private readonly made = new Map<string, Material>();
  private readonly drawn = new Map<'checker' | 'matcap', Texture>();
  private uvLayout: UvLayout | null = null;
  private planes: Plane[] | null = null;

  private constructor(scene: Object3D, readonly placement: Placement) {
    this.root.add(scene);
    this.root.updateMatrixWorld(true);
    scene.traverse((object) => {
      if (object instanceof Mesh) this.meshes.push(object);
    });
    let uv = this.meshes.length > 0;
    let faces = 0;
    for (const mesh of this.meshes) {
      if (!mesh.geometry.getAttribute('normal')) mesh.geometry.computeVertexNormals();
      this.original.set(mesh, mesh.material as Material | Material[]);
      for (const material of [mesh.material as Material | Material[]].flat()) material.side = DoubleSide;
      uv &&= mesh.geometry.getAttribute('uv') !== undefined;
      faces += (mesh.geometry.getIndex()?.count ?? mesh.geometry.getAttribute('position').count) / 3;
    }
    this.hasUv = uv;
    this.faces = faces;
    this.box.setFromObject(this.root, true);
  }

  static async load(file: Blob): Promise<MeshModel> {
    const glb = await file.arrayBuffer();
    const loader = new GLTFLoader();
    const done = await prepare(loader, extensionsOf(glb));
    try {
      const {scene, asset} = await loader.parseAsync(glb, '');
      const extras = (asset as {extras?: {placement?: unknown}}).extras;
      return new MeshModel(scene, placementIn(extras?.placement));
    } finally {
      done();
    }
  }

  show(view: MeshView, theme: Theme): void {
    for (const overlay of this.overlays) overlay.visible = view === 'wireframe';
    if (view === 'wireframe' && this.overlays.length === 0) this.addOverlays(theme);
    const shared = view === 'textured' || view === 'layout' ? null : this.material(view, theme);
    for (const mesh of this.meshes) {
      const own = this.original.get(mesh);
      mesh.material = shared ?? own ?? mesh.material;
    }
  }

  /** What lies behind these planes is not drawn; null for all. */
  clip(planes: Plane[] | null): void {
    this.planes = planes;
    for (const material of [...this.made.values(), ...[...this.original.values()].flat()]) {
      material.clippingPlanes = planes;
      material.needsUpdate = true;
    }
  }

  /** The texture with the edges on it. */
  get layout(): UvLayout {
    const map = [...this.original.values()].flat().map((material) => (material as {map?: Texture | null}).map ?? null).find((texture) => texture !== null);
    return this.uvLayout ??= new UvLayout(this.meshes, map ?? null);
  }

  private texture(name: 'checker' | 'matcap', make: () => Texture): Texture {
    const texture = this.drawn.get(name) ?? make();
    this.drawn.set(name, texture);
    return texture;
  }

  private material(view: MeshView, theme: Theme): Material {
    const known = this.made.get(view);
    if (known) return known;
    const made = this.newMaterial(view, theme);
    made.clippingPlanes = this.planes;
    this.made.set(view, made);
    return made;
  }

  private newMaterial(view: MeshView, theme: Theme): Material {
    if (view === 'normals') return new MeshNormalMaterial({side: DoubleSide});
    if (view === 'matcap') return new MeshMatcapMaterial({matcap: this.texture('matcap', matcapTexture), side: DoubleSide});
    if (view === 'checker') {
      return new MeshStandardMaterial({map: this.texture('checker', checkerTexture), roughness: 1, metalness: 0, side: DoubleSide});
    }
    return new MeshStandardMaterial({
      color: theme.clay, roughness: 0.9, metalness: 0, side: DoubleSide,
      // Behind its own edges.
      ...(view === 'wireframe' ? {polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1} : {}),
    });
  }

  private addOverlays(theme: Theme): void {
    const lines = new MeshBasicMaterial({color: theme.wire, wireframe: true, transparent: true, opacity: 0.4});
    lines.clippingPlanes = this.planes;
    this.made.set('lines', lines);
    for (const mesh of this.meshes) {
      const overlay = new Mesh(mesh.geometry, lines);
      overlay.matrixAutoUpdate = false;
      mesh.add(overlay);
      this.overlays.push(overlay);
    }
  }

  /** After a change of colours: shared materials are made anew. */
  forgetMaterials(): void {
    for (const overlay of this.overlays.splice(0)) overlay.removeFromParent();
    for (const mesh of this.meshes) mesh.material = this.original.get(mesh) ?? mesh.material;
    for (const material of this.made.values()) material.dispose();
    this.made.clear();
  }

  dispose(): void {
    this.forgetMaterials();
    this.uvLayout?.dispose();
    for (const texture of this.drawn.values()) texture.dispose();
    for (const material of [...this.original.values()].flat()) disposeMaterial(material);
    disposeTree(this.root);
  }
}
