import {
  Box3, DoubleSide, Group, type Material, Mesh, MeshBasicMaterial, MeshNormalMaterial, MeshStandardMaterial, type Object3D, type Texture,
} from 'three';
import {GLTFLoader} from 'three/addons/loaders/GLTFLoader.js';
import {checkerTexture} from './checker.js';
import {disposeMaterial, disposeTree} from './dispose.js';
import {type Placement, placementIn} from './placement.js';
import type {Theme} from './theme.js';

export const MESH_VIEWS = ['textured', 'clay', 'normals', 'wireframe', 'checker'] as const;
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
  private readonly checker: {texture: Texture | null} = {texture: null};

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
    const {scene, asset} = await new GLTFLoader().parseAsync(await file.arrayBuffer(), '');
    const extras = (asset as {extras?: {placement?: unknown}}).extras;
    return new MeshModel(scene, placementIn(extras?.placement));
  }

  show(view: MeshView, theme: Theme): void {
    for (const overlay of this.overlays) overlay.visible = view === 'wireframe';
    if (view === 'wireframe' && this.overlays.length === 0) this.addOverlays(theme);
    const shared = view === 'textured' ? null : this.material(view, theme);
    for (const mesh of this.meshes) {
      const own = this.original.get(mesh);
      mesh.material = shared ?? own ?? mesh.material;
    }
  }

  private material(view: MeshView, theme: Theme): Material {
    const known = this.made.get(view);
    if (known) return known;
    const made = this.newMaterial(view, theme);
    this.made.set(view, made);
    return made;
  }

  private newMaterial(view: MeshView, theme: Theme): Material {
    if (view === 'normals') return new MeshNormalMaterial({side: DoubleSide});
    if (view === 'checker') {
      this.checker.texture ??= checkerTexture();
      return new MeshStandardMaterial({map: this.checker.texture, roughness: 1, metalness: 0, side: DoubleSide});
    }
    return new MeshStandardMaterial({
      color: theme.clay, roughness: 0.9, metalness: 0, side: DoubleSide,
      // Behind its own edges.
      ...(view === 'wireframe' ? {polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1} : {}),
    });
  }

  private addOverlays(theme: Theme): void {
    const lines = new MeshBasicMaterial({color: theme.wire, wireframe: true, transparent: true, opacity: 0.4});
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
    this.checker.texture?.dispose();
    for (const material of [...this.original.values()].flat()) disposeMaterial(material);
    disposeTree(this.root);
  }
}
