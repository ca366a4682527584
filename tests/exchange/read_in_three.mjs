// THREE FILE: what three.js finds in a .usdz or .fbx, as JSON.
import {readFileSync} from 'node:fs';
import {pathToFileURL} from 'node:url';

const [three, file] = process.argv.slice(2);
const base = pathToFileURL(`${three}/`).href;

// As much of a browser as the loaders ask for: images are not decoded, but which ones are asked for is known.
const blobs = new Map();
const images = [];
globalThis.window = globalThis;
globalThis.self = globalThis;
URL.createObjectURL = blob => {
  blobs.set(`blob:${blobs.size}`, blob);
  return `blob:${blobs.size - 1}`;
};
globalThis.document = {
  createElementNS: () => ({
    addEventListener() {},
    removeEventListener() {},
    set src(url) { images.push(blobs.get(url)?.type ?? url); },
  }),
};

const bytes = readFileSync(file);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
const loader = file.endsWith('.fbx') ?
  new (await import(`${base}examples/jsm/loaders/FBXLoader.js`)).FBXLoader() :
  new (await import(`${base}examples/jsm/loaders/USDLoader.js`)).USDLoader();
const scene = loader.parse(buffer, '');
const meshes = [];
scene.traverse(thing => {
  if (!thing.isMesh) return;
  const {position, uv} = thing.geometry.attributes;
  meshes.push({name: thing.name, positions: [...position.array], uvs: [...uv.array], map: Boolean(thing.material.map)});
});
console.log(JSON.stringify({meshes, images}));
