/** What the keyboard does, as the key sheet shows it: keys, and what they are for. */
export const KEYS = [
  {title: 'In the viewer', rows: [
    ['← → ↑ ↓', 'turn the object'],
    ['+ −', 'come nearer, go farther'],
    ['F', 'frame the object'],
    ['G', 'show or hide grid and dimensions'],
    ['1 … 6', 'splats, textured, clay, normals, wireframe, UV checker'],
  ]},
  {title: 'Everywhere', rows: [
    ['Tab', 'go to the next control'],
    ['Ctrl V', 'paste pictures'],
    ['Esc', 'close a dialog'],
    ['?', 'show these keys'],
  ]},
] as const;

/** Whether a key that is pressed there is a letter of a text. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input:not([type="radio"], [type="checkbox"], [type="range"]), textarea, select'));
}
