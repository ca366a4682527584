import {Box3, BoxGeometry, InstancedMesh, Matrix4, MeshStandardMaterial, Vector3} from 'three';
import {occupiedIn, surfaceOf} from '../core/voxels.js';
import type {Theme} from './theme.js';

const FILLED = 0.9;  // of a cell; the rest lets the grid be seen

/** The voxels that an object is expected to fill, while its structure is sampled. */
export class StructureModel {
  readonly box = new Box3();
  readonly mesh: InstancedMesh<BoxGeometry, MeshStandardMaterial>;

  private constructor(side: number, positions: Uint8Array, theme: Theme) {
    const edge = FILLED / side;
    this.mesh = new InstancedMesh(new BoxGeometry(edge, edge, edge), new MeshStandardMaterial({roughness: 0.9, metalness: 0}), positions.length / 3);
    const matrix = new Matrix4();
    const centre = new Vector3();
    for (let i = 0; i < positions.length; i += 3) {
      // The grid fills the asset's unit cube, Z up.
      const [x, y, z] = [0, 1, 2].map((k) => ((positions[i + k] ?? 0) + 0.5) / side - 0.5);
      centre.set(x ?? 0, z ?? 0, -(y ?? 0));
      this.mesh.setMatrixAt(i / 3, matrix.setPosition(centre));
      this.box.expandByPoint(centre);
    }
    this.box.expandByScalar(edge / 2);
    this.recolour(theme);
  }

  /** Throws for a file that is something else. */
  static async load(file: Blob, theme: Theme): Promise<StructureModel> {
    const occupied = occupiedIn(await file.arrayBuffer());
    if (!occupied) throw new Error('not a structure');
    const {side, positions} = surfaceOf(occupied);
    return new StructureModel(side, positions, theme);
  }

  recolour(theme: Theme): void {
    this.mesh.material.color.copy(theme.clay);
  }

  dispose(): void {
    this.mesh.removeFromParent();
    this.mesh.dispose();
    this.mesh.geometry.dispose();
    this.mesh.material.dispose();
  }
}
