import {more} from './words.js';

/** What the keyboard does, as the key sheet shows it: keys, and what they are for. */
export const KEYS = [
  {title: more.keys.inViewer, rows: [
    ['← → ↑ ↓', more.keys.turn],
    ['+ −', more.keys.zoom],
    ['F', more.keys.frame],
    ['G', more.keys.grid],
    ['1 … 8', more.keys.views],
    ['L', more.keys.look],
    ['T', more.keys.turntable],
    ['M', more.keys.ruler],
  ]},
  {title: more.keys.everywhere, rows: [
    ['Tab', more.keys.tab],
    ['Ctrl V', more.keys.paste],
    ['Esc', more.keys.escape],
    ['?', more.keys.sheet],
  ]},
] as const;
