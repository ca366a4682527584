import {SparkRenderer, SplatFileType, SplatMesh} from '@sparkjsdev/spark';
import {Box3, type Scene, type WebGLRenderer} from 'three';

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

  private constructor(readonly mesh: SplatMesh) {
    mesh.rotation.x = Math.PI;  // the file has -Y up
    mesh.updateMatrixWorld(true);
    this.box.copy(mesh.getBoundingBox(true)).applyMatrix4(mesh.matrixWorld);
  }

  static async load(file: Blob): Promise<SplatModel> {
    const mesh = new SplatMesh({fileBytes: await file.arrayBuffer(), fileType: SplatFileType.PLY, lod: false});
    await mesh.initialized;
    return new SplatModel(mesh);
  }

  get count(): number {
    return this.mesh.packedSplats?.numSplats ?? 0;
  }

  dispose(): void {
    this.mesh.removeFromParent();
    this.mesh.dispose();
  }
}
