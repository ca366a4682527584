import {CanvasTexture, RepeatWrapping, SRGBColorSpace} from 'three';

/** A board of 8 x 8 numbered squares over the texture's range, to see how texture coordinates lie and stretch. */
export function checkerTexture(): CanvasTexture {
  const size = 1024;
  const squares = 8;
  const step = size / squares;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = size;
  const pen = canvas.getContext('2d');
  if (pen) {
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.font = '600 44px system-ui, sans-serif';
    for (let row = 0; row < squares; ++row) {
      for (let column = 0; column < squares; ++column) {
        const light = (row + column) % 2 === 0;
        pen.fillStyle = `hsl(${(column * 45 + row * 12) % 360} ${light ? 46 : 38}% ${light ? 78 : 48}%)`;
        pen.fillRect(column * step, row * step, step, step);
        pen.fillStyle = light ? '#23302a' : '#ffffff';
        pen.fillText(`${'ABCDEFGH'[row] ?? ''}${column + 1}`, (column + 0.5) * step, (row + 0.5) * step);
        for (let i = 0; i < 4; ++i) {
          pen.fillStyle = 'rgb(0 0 0 / 12%)';
          if ((i + (i >> 1)) % 2 === 0) pen.fillRect(column * step + (i % 2) * step / 2, row * step + (i >> 1) * step / 2, step / 2, step / 2);
        }
      }
    }
  }
  const texture = new CanvasTexture(canvas);
  texture.colorSpace = SRGBColorSpace;
  texture.wrapS = texture.wrapT = RepeatWrapping;
  texture.flipY = false;
  texture.anisotropy = 4;
  return texture;
}
