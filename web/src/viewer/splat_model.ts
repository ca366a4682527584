import {SparkRenderer, SplatFileType, SplatMesh} from '@sparkjsdev/spark';
import {Box3, type Scene, type WebGLRenderer} from 'three';
import {between, type Placement, placementIn} from './placement.js';

/** Draws Gaussians into a scene; one per scene. */
export class SplatPainter {
  private readonly spark: SparkRenderer;

  constructor(renderer: WebGLRenderer, private readonly scene: Scene, onDirty: () => void) {
    this.spark = new SparkRenderer({renderer, onDirty});
    scene.add(this.spark);
  }

  set visible(visible: boolean) {
    this.spark.visible = visible;
  }

  dispose(): void {
    this.scene.remove(this.spark);
    this.spark.dispose();
    this.spark.geometry.dispose();
    this.spark.material.dispose();
  }
}

/** Gaussians from a PLY. */
export class SplatModel {
  readonly box = new Box3();

  private constructor(readonly mesh: SplatMesh, private readonly placement: Placement) {
    mesh.rotation.x = Math.PI;  // the file has -Y up
    this.standAs(placement);
  }

  /** Where the mesh stands in its file, so that both lie in one place. */
  standAs(placement: Placement): void {
    const {scale, move} = between(this.placement, placement);
    this.mesh.scale.setScalar(scale);
    this.mesh.position.set(...move);
    this.mesh.updateMatrixWorld(true);
    this.box.copy(this.mesh.getBoundingBox(true)).applyMatrix4(this.mesh.matrixWorld);
  }

  static async load(file: Blob): Promise<SplatModel> {
    const mesh = new SplatMesh({fileBytes: await file.arrayBuffer(), fileType: SplatFileType.PLY, lod: false});
    await mesh.initialized;
    return new SplatModel(mesh, placementIn(/comment placement: (.*)/.exec(await file.slice(0, 8192).text())?.[1]));
  }

  get count(): number {
    return this.mesh.packedSplats?.numSplats ?? 0;
  }

  dispose(): void {
    this.mesh.removeFromParent();
    this.mesh.dispose();
  }
}
