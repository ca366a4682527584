// WEB ANSWER FOLDER FILE...: what three.js and Spark, as WEB/package.json has them, find in files of a folder, as JSON. In Chromium,
// because loaders ask for parsers of XML, for workers and for images.
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const [web, answer, folder, ...files] = process.argv.slice(2);
const {chromium} = await import(pathToFileURL(join(web, 'node_modules/playwright-core/index.mjs')).href);
const browser = await chromium.launch({executablePath: process.env.ESPALIER_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu']});
const page = await (await browser.newContext()).newPage();
page.on('pageerror', (error) => console.error(String(error)));

const types = {js: 'text/javascript', wasm: 'application/wasm', html: 'text/html', png: 'image/png', jpg: 'image/jpeg', webp: 'image/webp'};
const PAGE = `<script type="importmap">{"imports": {"three": "/m/three/build/three.module.js", "three/addons/": "/m/three/examples/jsm/",
  "@sparkjsdev/spark": "/m/@sparkjsdev/spark/dist/spark.module.js"}}</script>`;
await page.route('http://exchange.test/**', (route) => {
  const path = decodeURIComponent(new URL(route.request().url()).pathname);
  const body = path === '/' ? PAGE : readFileSync(path.startsWith('/m/') ? join(web, 'node_modules', path.slice(3)) : join(folder, path));
  return route.fulfill({body, contentType: types[path === '/' ? 'html' : path.split('.').pop()] ?? 'application/octet-stream'});
});
await page.goto('http://exchange.test/');

// From here on in the page.
const read = async (name) => {
  const THREE = await import('three');
  const ending = name.split('.').slice(1).join('.');
  const url = `http://exchange.test/${encodeURIComponent(name)}`;
  const bytes = await (await fetch(url)).arrayBuffer();

  async function load() {
    const addon = (path) => import(`three/addons/${path}`);
    if (/^gl(b|tf)$|splats\.glb$/.test(ending)) {
      const {GLTFLoader} = await addon('loaders/GLTFLoader.js');
      const {DRACOLoader} = await addon('loaders/DRACOLoader.js');
      const {MeshoptDecoder} = await addon('libs/meshopt_decoder.module.js');
      const loader = new GLTFLoader().setMeshoptDecoder(MeshoptDecoder);
      loader.setDRACOLoader(new DRACOLoader().setDecoderPath('/m/three/examples/jsm/libs/draco/gltf/'));
      return (await loader.loadAsync(url)).scene;
    }
    if (ending === 'obj') {
      const {OBJLoader} = await addon('loaders/OBJLoader.js');
      const {MTLLoader} = await addon('loaders/MTLLoader.js');
      const library = /^mtllib (.*)$/m.exec(new TextDecoder().decode(bytes))?.[1];
      const loader = new OBJLoader();
      if (library) loader.setMaterials(await new MTLLoader().setPath('http://exchange.test/').loadAsync(library));
      return loader.loadAsync(url);
    }
    if (ending === 'fbx') return new (await addon('loaders/FBXLoader.js')).FBXLoader().parse(bytes, '');
    if (ending === 'usdz') return new (await addon('loaders/USDLoader.js')).USDLoader().parse(bytes, '');
    if (ending === '3mf') return new (await addon('loaders/3MFLoader.js')).ThreeMFLoader().parse(bytes);
    const loader = ending === 'stl' ? 'STLLoader' : 'PLYLoader';
    const geometry = new (await addon(`loaders/${loader}.js`))[loader]().parse(bytes);
    return new THREE.Mesh(geometry, new THREE.MeshBasicMaterial({vertexColors: Boolean(geometry.attributes.color)}));
  }

  async function pixels(texture) {
    for (let i = 0; i < 200 && !(texture.image?.complete ?? texture.image?.width); ++i) await new Promise((done) => setTimeout(done, 10));
    const {width, height} = texture.image;
    const paint = new OffscreenCanvas(width, height).getContext('2d');
    paint.drawImage(texture.image, 0, 0);
    return {width, height, flip: texture.flipY, data: paint.getImageData(0, 0, width, height).data};
  }

  const shown = (linear) => Math.round(255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055));
  async function mesh(thing, found) {
    const {position, uv, color} = thing.geometry.attributes;
    const image = uv && thing.material.map ? await pixels(thing.material.map) : undefined;
    const index = thing.geometry.index, point = new THREE.Vector3();
    const at = (i) => index ? index.getX(i) : i;
    for (let i = 0; i < (index ?? position).count; ++i) {
      point.fromBufferAttribute(position, at(i)).applyMatrix4(thing.matrixWorld);
      found.positions.push(...point.toArray());
    }
    for (let face = 0; face < (index ?? position).count / 3; ++face) {
      const mean = (attribute, get) => [0, 1, 2].reduce((sum, k) => sum + attribute[get](at(3 * face + k)), 0) / 3;
      if (image) {
        thing.material.map.updateMatrix();
        const spot = new THREE.Vector2(mean(uv, 'getX'), mean(uv, 'getY')).applyMatrix3(thing.material.map.matrix);
        const x = Math.min(image.width - 1, Math.max(0, Math.floor(spot.x * image.width)));
        const y = Math.min(image.height - 1, Math.max(0, Math.floor((image.flip ? 1 - spot.y : spot.y) * image.height)));
        found.colours.push(...image.data.slice(4 * (y * image.width + x), 4 * (y * image.width + x) + 3));
      } else if (color && thing.material.vertexColors) {
        for (const get of ['getX', 'getY', 'getZ']) found.colours.push([0, 1, 2].reduce((sum, k) => sum + shown(color[get](at(3 * face + k))), 0) / 3);
      }
    }
  }

  async function three() {
    const found = {positions: [], colours: []}, points = {positions: [], colours: []};
    const scene = await load();
    scene.updateMatrixWorld(true);
    const meshes = [];
    scene.traverse((thing) => {
      if (thing.isMesh) meshes.push(thing);
      if (!thing.isPoints) return;
      const {position, color} = thing.geometry.attributes, point = new THREE.Vector3();
      for (let i = 0; i < position.count; ++i) {
        points.positions.push(...point.fromBufferAttribute(position, i).applyMatrix4(thing.matrixWorld).toArray());
        if (color) points.colours.push(...['getX', 'getY', 'getZ'].map((get) => shown(color[get](i))));
      }
    });
    for (const thing of meshes) await mesh(thing, found);
    return points.positions.length > 0 ? {points} : {mesh: found};
  }

  async function spark() {
    const {PackedSplats, SplatFileType} = await import('@sparkjsdev/spark');
    // By its content, but for a .splat, which has no signature.
    const splats = new PackedSplats({fileBytes: new Uint8Array(bytes), fileType: ending === 'splat' ? SplatFileType.SPLAT : undefined, fileName: name});
    await splats.initialized;
    const found = {position: [], scale: [], rotation: [], opacity: [], colour: []};
    splats.forEachSplat((_, centre, scale, turn, opacity, colour) => {
      found.position.push(centre.toArray());
      found.scale.push(scale.toArray());
      found.rotation.push([turn.w, turn.x, turn.y, turn.z]);
      found.opacity.push(opacity);
      found.colour.push([colour.r, colour.g, colour.b]);
    });
    return {gaussians: found};
  }

  return (/^(ply|compressed\.ply|spz|splat)$/.test(ending) ? spark : three)().catch((error) => ({error: String(error?.stack ?? error)}));
};

const found = {};
for (const name of files) found[name] = await page.evaluate(read, name);
writeFileSync(answer, JSON.stringify(found));
await browser.close();
