// The formats of results, for what is loaded later.
import type {MapKind, ResultFormat} from '../api/types.js';
import {more} from './words.js';

export interface Format {
  id: ResultFormat;
  label: string;
  about: string;
}

export const MESH_FORMATS: readonly Format[] = [
  {id: 'glb', label: 'GLB', about: more.formats.glb},
  {id: 'gltf.zip', label: 'glTF', about: more.formats.zip},
  {id: 'obj.zip', label: 'OBJ', about: more.formats.zip},
  {id: '3mf', label: '3MF', about: more.formats['3mf']},
  {id: 'stl', label: 'STL', about: more.formats.stl},
  {id: 'usdz', label: 'USDZ', about: more.formats.usdz},
  {id: 'fbx', label: 'FBX', about: more.formats.fbx},
  {id: 'mesh.ply', label: more.formats.meshPly, about: more.formats.meshPlyAbout},
];
export const SPLAT_FORMATS: readonly Format[] = [
  {id: 'ply', label: more.formats.ply, about: more.formats.plyAbout},
  {id: 'spz', label: 'SPZ', about: more.formats.spz},
  {id: 'compressed.ply', label: more.formats.packed, about: 'SuperSplat'},
  {id: 'splats.glb', label: more.formats.splatsGlb, about: more.formats.splatsGlbAbout},
  {id: 'splat', label: 'SPLAT', about: more.formats.splat},
];
export const FORMATS: readonly Format[] = [...MESH_FORMATS, ...SPLAT_FORMATS];


/** The kinds of maps in words. */
export function mapsOf(kinds: readonly MapKind[]): string {
  return kinds.map((kind) => more.finish[kind]).join(', ');
}
