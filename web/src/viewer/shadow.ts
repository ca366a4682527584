import {
  type Box3, DoubleSide, LinearFilter, Mesh, MeshBasicMaterial, MeshDepthMaterial, type Object3D, OrthographicCamera, PlaneGeometry, Scene,
  ShaderMaterial, Vector2, Vector3, type WebGLRenderer, WebGLRenderTarget,
} from 'three';

const SIZE = 256;

/** A soft shadow on the floor: the object's underside as seen from below, blurred. Drawn once per object. */
export class ContactShadow {
  readonly plane: Mesh<PlaneGeometry, MeshBasicMaterial>;
  private readonly target = new WebGLRenderTarget(SIZE, SIZE, {minFilter: LinearFilter, magFilter: LinearFilter});
  private readonly other = new WebGLRenderTarget(SIZE, SIZE, {minFilter: LinearFilter, magFilter: LinearFilter});
  private readonly depth = new MeshDepthMaterial({side: DoubleSide});
  private readonly blur = new ShaderMaterial({
    uniforms: {image: {value: null}, step: {value: new Vector2()}},
    vertexShader: 'varying vec2 at; void main() { at = uv; gl_Position = vec4(position.xy, 0.0, 1.0); }',
    fragmentShader: `
      uniform sampler2D image; uniform vec2 step; varying vec2 at;
      void main() {
        vec4 sum = vec4(0.0); float weights = 0.0;
        for (int i = -8; i <= 8; ++i) {
          float w = exp(-float(i * i) / 24.0);
          sum += w * texture2D(image, at + float(i) * step); weights += w;
        }
        gl_FragColor = sum / weights;
      }`,
    depthTest: false,
    depthWrite: false,
  });
  private readonly screen = new Mesh(new PlaneGeometry(2, 2), this.blur);
  private readonly screenScene = new Scene();
  private readonly camera = new OrthographicCamera();

  constructor() {
    // Alpha from the height over the floor, black; the depth itself is not wanted.
    this.depth.onBeforeCompile = (shader) => {
      shader.fragmentShader = shader.fragmentShader.replace(
        'gl_FragColor = vec4( vec3( 1.0 - fragCoordZ ), opacity );', 'gl_FragColor = vec4( vec3( 0.0 ), ( 1.0 - fragCoordZ ) );');
    };
    this.screen.frustumCulled = false;
    this.screenScene.add(this.screen);
    this.plane = new Mesh(new PlaneGeometry(1, 1), new MeshBasicMaterial({map: this.target.texture, transparent: true, depthWrite: false, opacity: 0.4}));
    this.plane.rotation.x = -Math.PI / 2;
    this.plane.renderOrder = -1;
    this.plane.visible = false;
  }

  build(renderer: WebGLRenderer, object: Object3D, box: Box3): void {
    const size = box.getSize(new Vector3());
    const centre = box.getCenter(new Vector3());
    const side = 1.6 * Math.max(size.x, size.z);
    const reach = 0.45 * size.y + 1e-4;  // what is higher throws no shadow
    Object.assign(this.camera, {left: -side / 2, right: side / 2, top: side / 2, bottom: -side / 2, near: 0, far: reach});
    this.camera.position.set(centre.x, box.min.y - 1e-3, centre.z);
    this.camera.up.set(0, 0, 1);
    this.camera.lookAt(centre.x, box.min.y + 1, centre.z);
    this.camera.updateProjectionMatrix();
    const scene = new Scene();
    const parent = object.parent;
    scene.add(object);
    scene.overrideMaterial = this.depth;
    const shown = object.visible;
    object.visible = true;
    const before = renderer.getRenderTarget();
    renderer.setRenderTarget(this.target);
    renderer.clear();
    renderer.render(scene, this.camera);
    for (const spread of [2.2, 1.1]) {
      this.pass(renderer, this.target, this.other, spread / SIZE, 0);
      this.pass(renderer, this.other, this.target, 0, spread / SIZE);
    }
    renderer.setRenderTarget(before);
    object.visible = shown;
    if (parent) parent.add(object);
    this.plane.scale.set(side, side, 1);
    // Seen from below, x runs the other way.
    this.plane.scale.x *= -1;
    this.plane.material.side = DoubleSide;
    this.plane.position.set(centre.x, box.min.y + 1e-3 * size.y, centre.z);
  }

  private pass(renderer: WebGLRenderer, from: WebGLRenderTarget, to: WebGLRenderTarget, x: number, y: number): void {
    const {image, step} = this.blur.uniforms;
    if (image) image.value = from.texture;
    (step?.value as Vector2 | undefined)?.set(x, y);
    renderer.setRenderTarget(to);
    renderer.clear();
    renderer.render(this.screenScene, this.camera);
  }
}
