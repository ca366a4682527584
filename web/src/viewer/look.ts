import {LinearToneMapping, NeutralToneMapping, NoToneMapping, type Object3D, PMREMGenerator, type Scene, type Texture, type WebGLRenderer} from 'three';
import {type Panorama, panoramaTexture} from './panorama.js';

export interface LookSettings {
  light: 'lamp' | Panorama;
  rotation: number;    // of the light around the object, in degrees
  exposure: number;    // in stops
  background: 'page' | 'panorama' | 'colour';
  colour: string;      // of the background, as #rrggbb
}

export const FIRST_LOOK: Readonly<LookSettings> = {light: 'lamp', rotation: 0, exposure: 0, background: 'page', colour: '#808080'};

/** What lights a scene and what is behind it. */
export class Look {
  settings: Readonly<LookSettings> = FIRST_LOOK;
  private readonly environments = new Map<Panorama, {sky: Texture; light: Texture}>();

  /** `lamps`: what lights the scene where no panorama does. */
  constructor(private readonly renderer: WebGLRenderer, private readonly scene: Scene, private readonly place: HTMLElement, private readonly lamps: readonly Object3D[]) {}

  set(settings: Readonly<LookSettings>): void {
    this.settings = settings;
    const {light, rotation, exposure, background, colour} = settings;
    const around = light === 'lamp' ? null : this.environment(light);
    for (const lamp of this.lamps) lamp.visible = around === null;
    this.scene.environment = around?.light ?? null;
    this.scene.background = background === 'panorama' ? around?.sky ?? null : null;
    this.scene.backgroundBlurriness = 0.2;
    this.scene.environmentRotation.y = this.scene.backgroundRotation.y = (rotation * Math.PI) / 180;
    this.renderer.toneMapping = around ? NeutralToneMapping : exposure === 0 ? NoToneMapping : LinearToneMapping;
    this.renderer.toneMappingExposure = 2 ** exposure;
    this.place.style.background = background === 'colour' ? colour : '';
  }

  /** After the card had forgotten everything. */
  forget(): void {
    for (const {sky, light} of this.environments.values()) {
      sky.dispose();
      light.dispose();
    }
    this.environments.clear();
    this.set(this.settings);
  }

  private environment(name: Panorama): {sky: Texture; light: Texture} {
    const known = this.environments.get(name);
    if (known) return known;
    const sky = panoramaTexture(name);
    const generator = new PMREMGenerator(this.renderer);
    const made = {sky, light: generator.fromEquirectangular(sky).texture};
    generator.dispose();
    this.environments.set(name, made);
    return made;
  }
}
