import {DataTexture, EquirectangularReflectionMapping, HalfFloatType, LinearFilter, LinearSRGBColorSpace, DataUtils, RGBAFormat} from 'three';

export const PANORAMAS = ['studio', 'overcast', 'sunset'] as const;
export type Panorama = (typeof PANORAMAS)[number];

type Colour = readonly [number, number, number];
type Direction = Colour;  // of length 1, Y up

const WIDTH = 256;
const HEIGHT = 128;

function mixed(a: Colour, b: Colour, share: number): [number, number, number] {
  const t = Math.min(1, Math.max(0, share));
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
}

/** How much of a box of light is seen there: 1 inside, with soft borders. Angles in degrees, azimuth from the front to the right. */
function box([x, y, z]: Direction, azimuth: number, elevation: number, width: number, height: number): number {
  const a = ((Math.atan2(x, z) * 180) / Math.PI - azimuth + 540) % 360 - 180;
  const e = (Math.asin(y) * 180) / Math.PI - elevation;
  const soft = (value: number, half: number): number => Math.min(1, Math.max(0, (half - Math.abs(value)) / 6 + 0.5));
  return soft(a, width / 2) * soft(e, height / 2);
}

/** A grey room with a large lamp at the left, a smaller one at the right, one above, and a narrow one behind. */
function studio(at: Direction): Colour {
  const room = mixed([0.16, 0.16, 0.17], [0.42, 0.42, 0.43], (at[1] + 1) / 2);
  const light = 7 * box(at, -55, 30, 60, 55) + 3 * box(at, 60, 15, 34, 60) + 3.5 * box(at, 0, 80, 360, 34) + 6 * box(at, 165, 20, 22, 80);
  return [room[0] + light, room[1] + light * 0.985, room[2] + light * 0.95];
}

/** A sky without a sun, over pale ground. */
function overcast([, y]: Direction): Colour {
  return y >= 0 ? mixed([1.05, 1.08, 1.12], [1.55, 1.6, 1.7], Math.sqrt(y)) : mixed([0.62, 0.6, 0.56], [0.3, 0.29, 0.27], -y * 1.6);
}

const SUN: Direction = [0.79, 0.17, 0.588];

/** A low sun, a warm horizon, and blue above. */
function sunset(at: Direction): Colour {
  const y = at[1];
  const towards = at[0] * SUN[0] + y * SUN[1] + at[2] * SUN[2];
  const horizon = mixed([0.55, 0.42, 0.5], [2.4, 1.15, 0.45], (towards + 1) / 2);
  const sky = y >= 0 ? mixed(horizon, [0.16, 0.26, 0.58], Math.min(1, y * 1.7)) : mixed([0.2, 0.14, 0.12], [0.07, 0.055, 0.05], -y * 2);
  const glow = y >= -0.02 ? 90 * Math.max(0, towards - 0.985) / 0.015 + 3 * Math.max(0, towards) ** 40 : 0;
  return [sky[0] + glow, sky[1] + glow * 0.72, sky[2] + glow * 0.42];
}

const SKIES: Readonly<Record<Panorama, (at: Direction) => Colour>> = {studio, overcast, sunset};

/** All that shines, in linear light, as a panorama: longitudes from left to right, the zenith in the first row. */
export function radiance(name: Panorama, width = WIDTH, height = HEIGHT): Float32Array<ArrayBuffer> {
  const sky = SKIES[name];
  const pixels = new Float32Array(width * height * 3);
  for (let row = 0; row < height; ++row) {
    const polar = ((row + 0.5) / height) * Math.PI;
    for (let column = 0; column < width; ++column) {
      const turn = ((column + 0.5) / width - 0.5) * 2 * Math.PI;
      pixels.set(sky([Math.sin(turn) * Math.sin(polar), Math.cos(polar), Math.cos(turn) * Math.sin(polar)]), (row * width + column) * 3);
    }
  }
  return pixels;
}

export function panoramaTexture(name: Panorama): DataTexture {
  const light = radiance(name);
  const data = new Uint16Array(WIDTH * HEIGHT * 4);
  for (let row = 0; row < HEIGHT; ++row) {
    for (let column = 0; column < WIDTH; ++column) {
      // Textures begin below; their middle column looks along +X.
      const from = (row * WIDTH + column) * 3;
      const to = ((HEIGHT - 1 - row) * WIDTH + ((column + WIDTH / 4) % WIDTH)) * 4;
      for (let c = 0; c < 3; ++c) data[to + c] = DataUtils.toHalfFloat(light[from + c] ?? 0);
      data[to + 3] = DataUtils.toHalfFloat(1);
    }
  }
  const texture = new DataTexture(data, WIDTH, HEIGHT, RGBAFormat, HalfFloatType, EquirectangularReflectionMapping);
  texture.colorSpace = LinearSRGBColorSpace;
  texture.minFilter = texture.magFilter = LinearFilter;
  texture.needsUpdate = true;
  return texture;
}
