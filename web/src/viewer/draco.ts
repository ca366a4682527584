import {LoadingManager} from 'three';
import {DRACOLoader} from 'three/addons/loaders/DRACOLoader.js';
import program from 'three/addons/libs/draco/gltf/draco_decoder.wasm?url';
import wrapper from 'three/addons/libs/draco/gltf/draco_wasm_wrapper.js?url';

/** A loader whose files are this page's own. */
export function dracoLoader(): DRACOLoader {
  const files: Readonly<Record<string, string>> = {'draco_decoder.wasm': program, 'draco_wasm_wrapper.js': wrapper};
  const manager = new LoadingManager();
  manager.setURLModifier((url) => files[url] ?? url);
  return new DRACOLoader(manager).setDecoderConfig({type: 'wasm'}).setWorkerLimit(1);
}
