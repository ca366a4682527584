import {CanvasTexture, SRGBColorSpace} from 'three';

/** A ball as a sculptor lights it: warm from above left, cool from the right, dark below. */
export function matcapTexture(): CanvasTexture {
  const size = 256;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = size;
  const pen = canvas.getContext('2d');
  if (pen) {
    const ball = pen.createImageData(size, size);
    for (let row = 0; row < size; ++row) {
      for (let column = 0; column < size; ++column) {
        const [x, y] = [(2 * (column + 0.5)) / size - 1, 1 - (2 * (row + 0.5)) / size];
        const r = Math.min(0.999, Math.hypot(x, y));
        const z = Math.sqrt(1 - r * r);
        const key = Math.max(0, -0.5 * x + 0.65 * y + 0.57 * z);
        const fill = Math.max(0, 0.85 * x - 0.1 * y + 0.3 * z);
        const shine = key ** 24;
        const rim = (1 - z) ** 3;
        const at = (row * size + column) * 4;
        ball.data[at] = 255 * (0.12 + 0.62 * key + 0.1 * fill + 0.35 * shine + 0.1 * rim);
        ball.data[at + 1] = 255 * (0.1 + 0.47 * key + 0.14 * fill + 0.33 * shine + 0.12 * rim);
        ball.data[at + 2] = 255 * (0.1 + 0.38 * key + 0.22 * fill + 0.3 * shine + 0.18 * rim);
        ball.data[at + 3] = 255;
      }
    }
    pen.putImageData(ball, 0, 0);
  }
  const texture = new CanvasTexture(canvas);
  texture.colorSpace = SRGBColorSpace;
  return texture;
}
