import {Color} from 'three';

/** The colours of the style sheet that the scene uses. */
export interface Theme {
  line: Color;
  lineStrong: Color;
  accent: Color;
  clay: Color;
  wire: Color;
  shadow: number;
}

export function themeOf(element: Element): Theme {
  const style = getComputedStyle(element);
  const colour = (name: string, otherwise: string): Color => new Color(style.getPropertyValue(name).trim() || otherwise);
  return {
    line: colour('--grid-line', '#b8b6ae'),
    lineStrong: colour('--grid-strong', '#8d8b83'),
    accent: colour('--accent', '#2c7a50'),
    clay: colour('--clay', '#c9c1b4'),
    wire: colour('--wire', '#1d2b24'),
    shadow: Number(style.getPropertyValue('--shadow-strength')) || 0.4,
  };
}
