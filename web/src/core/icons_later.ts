// Icons of parts of the page that are loaded later.
export const DOWNLOAD = 'M10 3v9M6 8.5l4 4 4-4M4 16.5h12';
export const FILM = 'M3 4h14v12H3zM6.5 4v12M13.5 4v12M3 8h3.5M3 12h3.5M13.5 8H17M13.5 12H17';
export const PENCIL = 'M4 16l1-4L14 3l3 3-9 9zM12 5l3 3';
export const LIGHT = 'M10 3v2M10 15v2M3 10h2M15 10h2M5 5l1.5 1.5M13.5 13.5L15 15M15 5l-1.5 1.5M6.5 13.5L5 15M10 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6z';
export const RULER = 'M3 13L13 3l4 4L7 17zM6 10l1.5 1.5M8.5 7.5L11 10M11 5l1.5 1.5';
export const GRIP = 'M7 5h.01M13 5h.01M7 10h.01M13 10h.01M7 15h.01M13 15h.01';
export const PAUSE = 'M7 4.5v11M13 4.5v11';
export const PLAY = 'M6.5 4.5l9 5.5-9 5.5z';
