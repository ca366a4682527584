// PACKAGES ANSWER FILE...: what glTF-Transform finds in .glb and .gltf files, and Adobe's library in .spz files, as JSON. Images stay
// files.
import {readFileSync, writeFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import {createRequire} from 'node:module';
import {pathToFileURL} from 'node:url';

const [packages, answer, ...files] = process.argv.slice(2);
const from = createRequire(join(packages, 'package.json'));
const {NodeIO, Logger} = from('@gltf-transform/core');
const {ALL_EXTENSIONS} = from('@gltf-transform/extensions');
const {MeshoptDecoder} = from('meshoptimizer');
const io = new NodeIO().setLogger(new Logger(Logger.Verbosity.SILENT)).registerExtensions(ALL_EXTENSIONS).registerDependencies({
  'draco3d.decoder': await from('draco3dgltf').createDecoderModule(),
  'meshopt.decoder': MeshoptDecoder,
});

async function gltf(file) {
  const root = (await io.read(file)).getRoot();
  const meshes = [];
  root.getDefaultScene().traverse((node) => {
    for (const primitive of node.getMesh()?.listPrimitives() ?? []) {
      const rows = (name) => {
        const accessor = primitive.getAttribute(name);
        return accessor ? Array.from({length: accessor.getCount()}, (_, i) => accessor.getElement(i, [])) : null;
      };
      const texture = primitive.getMaterial()?.getBaseColorTexture();
      const names = primitive.listSemantics().filter((name) => name.startsWith('KHR_gaussian_splatting:'));
      meshes.push({
        mode: primitive.getMode(), matrix: node.getWorldMatrix(), position: rows('POSITION'), uv: rows('TEXCOORD_0'), colour: rows('COLOR_0'),
        index: primitive.getIndices() ? [...primitive.getIndices().getArray()] : null,
        image: texture ? {type: texture.getMimeType(), data: Buffer.from(texture.getImage()).toString('base64')} : null,
        splat: Object.fromEntries(names.map((name) => [name.split(':')[1], rows(name)])),
      });
    }
  });
  return {primitives: meshes};
}

let spz;
async function gaussians(file) {
  spz ??= await (await import(pathToFileURL(from.resolve('@adobe/spz')).href)).default();
  const cloud = spz.loadSpzFromBuffer(new Uint8Array(readFileSync(file)), {to: spz.CoordinateSystem.RUB});
  return {cloud: Object.fromEntries(['numPoints', 'shDegree', 'positions', 'scales', 'rotations', 'alphas', 'colors', 'sh'].map((name) => [name, typeof cloud[name] === 'number' ? cloud[name] : [...cloud[name]]]))};
}

const found = {};
for (const file of files) found[basename(file)] = await (file.endsWith('.spz') ? gaussians : gltf)(file).catch((error) => ({error: String(error?.stack ?? error)}));
writeFileSync(answer, JSON.stringify(found));
