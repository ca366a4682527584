import type {GLTFLoader} from 'three/addons/loaders/GLTFLoader.js';

const MESHOPT = ['EXT_meshopt_compression', 'KHR_meshopt_compression'];
const DRACO = 'KHR_draco_mesh_compression';

/** The extensions that a GLB uses; none for what is no GLB. */
export function extensionsOf(glb: ArrayBuffer): readonly string[] {
  const head = new DataView(glb);
  if (glb.byteLength < 20 || head.getUint32(0, true) !== 0x46546c67) return [];
  const length = Math.min(head.getUint32(12, true), glb.byteLength - 20);
  try {
    const {extensionsUsed = []} = JSON.parse(new TextDecoder().decode(new Uint8Array(glb, 20, length))) as {extensionsUsed?: unknown};
    return Array.isArray(extensionsUsed) ? extensionsUsed.map(String) : [];
  } catch {
    return [];
  }
}

/** Gives a loader what it takes to decode a mesh, fetched with the first file that needs it. The function that comes back ends it. */
export async function prepare(loader: GLTFLoader, extensions: readonly string[]): Promise<() => void> {
  if (MESHOPT.some((name) => extensions.includes(name))) {
    const {MeshoptDecoder} = await import('three/addons/libs/meshopt_decoder.module.js');
    await MeshoptDecoder.ready;
    loader.setMeshoptDecoder(MeshoptDecoder);
  }
  if (!extensions.includes(DRACO)) return () => undefined;
  const {dracoLoader} = await import('./draco.js');
  const draco = dracoLoader();
  loader.setDRACOLoader(draco);
  return () => draco.dispose();
}
