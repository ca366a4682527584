import {
  BufferAttribute, BufferGeometry, LineBasicMaterial, LineSegments, Mesh, MeshBasicMaterial, OrthographicCamera, PlaneGeometry, Scene, type Texture, type WebGLRenderer,
} from 'three';
import type {Theme} from './theme.js';

/** The texture with the edges of all faces where they lie on it; its first row is above, as in the file. */
export class UvLayout {
  private readonly scene = new Scene();
  private readonly camera = new OrthographicCamera();
  private readonly lines = new LineBasicMaterial({transparent: true, opacity: 0.7});
  private readonly sheet: Mesh<PlaneGeometry, MeshBasicMaterial>;

  constructor(meshes: readonly Mesh[], texture: Texture | null) {
    this.sheet = new Mesh(new PlaneGeometry(1, 1), new MeshBasicMaterial({map: texture, toneMapped: false}));
    const uv = this.sheet.geometry.getAttribute('uv');
    for (let i = 0; i < uv.count; ++i) uv.setY(i, 1 - uv.getY(i));  // textures of glTF begin above
    this.sheet.position.set(0.5, 0.5, -0.1);
    this.scene.add(this.sheet);
    for (const mesh of meshes) this.scene.add(new LineSegments(edgesOf(mesh.geometry), this.lines));
  }

  draw(renderer: WebGLRenderer, width: number, height: number, theme: Theme): void {
    this.lines.color.copy(theme.accent);
    if (!this.sheet.material.map) this.sheet.material.color.copy(theme.clay);
    const half = 0.55 * Math.max(1, height > 0 ? Math.max(width, height) / Math.min(width, height) : 1);
    const [x, y] = width >= height ? [half, 0.55] : [0.55, half];
    Object.assign(this.camera, {left: 0.5 - x, right: 0.5 + x, top: 0.5 + y, bottom: 0.5 - y, near: -1, far: 1});
    this.camera.updateProjectionMatrix();
    renderer.render(this.scene, this.camera);
  }

  /** The texture is the mesh's own. */
  dispose(): void {
    for (const object of this.scene.children) if (object instanceof LineSegments) (object.geometry as BufferGeometry).dispose();
    this.lines.dispose();
    this.sheet.geometry.dispose();
    this.sheet.material.dispose();
  }
}

function edgesOf(from: BufferGeometry): BufferGeometry {
  const geometry = new BufferGeometry();
  const uv = from.getAttribute('uv');
  const positions = new Float32Array(uv.count * 3);
  for (let i = 0; i < uv.count; ++i) {
    positions[3 * i] = uv.getX(i);
    positions[3 * i + 1] = 1 - uv.getY(i);
  }
  const faces = from.getIndex();
  const corners = faces?.count ?? uv.count;
  const lines = new Uint32Array(2 * corners);
  for (let i = 0; i < corners; ++i) {
    const next = i % 3 === 2 ? i - 2 : i + 1;
    lines[2 * i] = faces ? faces.getX(i) : i;
    lines[2 * i + 1] = faces ? faces.getX(next) : next;
  }
  geometry.setAttribute('position', new BufferAttribute(positions, 3));
  geometry.setIndex(new BufferAttribute(lines, 1));
  return geometry;
}
