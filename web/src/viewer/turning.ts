import {AmbientLight, DirectionalLight, HemisphereLight, PerspectiveCamera, Scene, Vector3, WebGLRenderer} from 'three';
import {MeshModel} from './mesh_model.js';
import {themeOf} from './theme.js';

const ONCE = 4000;  // milliseconds of a turn

/** A small image of one asset that turns, in whatever place it is put. */
export class Turning {
  private readonly renderer = new WebGLRenderer({antialias: true, alpha: true, powerPreference: 'low-power'});
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(30, 1, 0.01, 100);
  private model: MeshModel | null = null;
  private frame = 0;

  constructor() {
    const lamp = new DirectionalLight(0xffffff, 2.2);
    lamp.position.set(-0.5, 0.7, 1);
    this.renderer.setClearAlpha(0);
    this.renderer.domElement.className = 'turning';
    this.camera.add(lamp);
    this.scene.add(new HemisphereLight(0xffffff, 0x6f6a62, 1.2), new AmbientLight(0xffffff, 0.35), this.camera);
  }

  async start(place: HTMLElement, file: Blob, signal: AbortSignal): Promise<void> {
    const model = await MeshModel.load(file);
    if (signal.aborted) return model.dispose();
    this.stop();
    this.model = model;
    model.show('textured', themeOf(place));
    this.scene.add(model.root);
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(place.clientWidth, place.clientHeight, true);
    this.camera.aspect = place.clientWidth / Math.max(1, place.clientHeight);
    this.camera.updateProjectionMatrix();
    place.append(this.renderer.domElement);
    const centre = model.box.getCenter(new Vector3());
    const size = model.box.getSize(new Vector3());
    // As wide as the object is at any side of its turn.
    const across = Math.max(size.y, Math.hypot(size.x, size.z) / this.camera.aspect);
    const distance = across / 2 / Math.tan(15 * Math.PI / 180) + Math.hypot(size.x, size.z) / 2;
    this.camera.near = distance / 100;
    this.camera.far = distance * 4;
    const begun = performance.now();
    const draw = (now: number): void => {
      const angle = (30 * Math.PI) / 180 + ((now - begun) / ONCE) * 2 * Math.PI;
      const up = 0.3;
      this.camera.position.set(Math.sin(angle) * Math.cos(up), Math.sin(up), Math.cos(angle) * Math.cos(up)).multiplyScalar(distance).add(centre);
      this.camera.lookAt(centre);
      this.renderer.render(this.scene, this.camera);
      this.frame = requestAnimationFrame(draw);
    };
    draw(begun);
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    this.renderer.domElement.remove();
    this.model?.dispose();
    this.model = null;
  }
}
