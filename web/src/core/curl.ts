// The present settings as a command, and as a link.
import type {JobOptions} from '../api/types.js';

/** As one word of a POSIX shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A part of a form that holds a file, as curl takes it. */
function filePart(field: string, name: string): string {
  return quoted(/[",;\\]/.test(name) ? `${field}=@"${name.replace(/["\\]/g, '\\$&')}"` : `${field}=@${name}`);
}

export interface Request {
  origin: string;      // of the server
  withKey: boolean;    // it asks for one, which does not stand in the command
  files: readonly {field: 'image' | 'mask' | 'latent'; name: string}[];
  options: JobOptions;
}

/** What `Generate` would send; files are named as they are called, without their folder. */
export function curlOf({origin, withKey, files, options}: Request): string {
  return ['curl', ...(withKey ? ['-H "Authorization: Bearer $ESPALIER_API_KEY"'] : []), ...files.map(({field, name}) => `-F ${filePart(field, name)}`),
    `-F ${quoted(`options=${JSON.stringify(options)}`)}`, quoted(`${origin}/v1/jobs`)].join(' ');
}

export function packed(settings: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(settings));
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** Null for what is no settings. */
export function unpacked(text: string): Record<string, unknown> | null {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : null;
  } catch {
    return null;
  }
}
