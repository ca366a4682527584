import type {JobOptions} from '../api/types.js';
import {curlOf, packed, unpacked} from '../core/curl.js';
import {laidOver} from '../core/drafts.js';
import {stem} from '../core/format.js';
import {more} from '../core/words.js';
import {showText} from './dialogs.js';
import type {Notifier} from './notify.js';

/** Into the clipboard; shown, to be copied by hand, where a page may not write there. */
export async function copy(text: string, what: 'asset' | 'settings' | 'curl', notify: Notifier): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    notify.info(more.share.copied(more.share[what]));
  } catch {
    await showText(more.share[what], text);
  }
}

interface Images {
  files: readonly File[];
  masks: readonly (Blob | null)[];
  latent: File | null;
}

/** What Generate would send now, with its files in the folder of the shell. */
export function curl(withKey: boolean, images: Images | null, options: JobOptions): string {
  const {files = [], masks = [], latent = null} = images ?? {};
  const named = latent ? [{field: 'latent' as const, name: latent.name}] :
    files.flatMap(({name}, i) => [{field: 'image' as const, name}, ...(masks[i] ? [{field: 'mask' as const, name: `${stem(name)}-mask.png`}] : [])]);
  return curlOf({origin: location.origin, withKey, files: named, options});
}

export function settingsLink(settings: object): string {
  return `${location.origin}/#settings=${packed(settings)}`;
}

/** What a link brought, laid over `start`, and taken off the address; null for none. */
export function settingsInAddress<T extends object>(start: T): T | null {
  const given = unpacked(new URLSearchParams(location.hash.slice(1)).get('settings') ?? '');
  history.replaceState(null, '', location.pathname);
  return given ? laidOver(start, given) : null;
}
