import {type BufferGeometry, type Material, type Object3D, Texture} from 'three';

/** Frees what a material holds on the card: itself and its textures. */
export function disposeMaterial(material: Material): void {
  for (const value of Object.values(material)) {
    if (!(value instanceof Texture)) continue;
    const image: unknown = value.image;
    if (typeof ImageBitmap !== 'undefined' && image instanceof ImageBitmap) image.close();
    value.dispose();
  }
  material.dispose();
}

/** Frees everything below an object. */
export function disposeTree(root: Object3D): void {
  root.traverse((object) => {
    const {geometry, material} = object as {geometry?: BufferGeometry; material?: Material | Material[]};
    geometry?.dispose();
    for (const one of material ? [material].flat() : []) disposeMaterial(one);
  });
  root.removeFromParent();
}
