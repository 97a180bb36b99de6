import { Color } from 'three';
import config from './config.json';
import themes from './themes.json';

export const THEME_COLORS = [
  'skyTop',
  'skyMiddle',
  'horizon',
  'sun',
  'ground',
  'cliff',
  'line',
  'crystal',
] as const;

export type ThemeColor = (typeof THEME_COLORS)[number];

const palettes = themes.map(
  (theme) =>
    Object.fromEntries(THEME_COLORS.map((key) => [key, new Color(theme[key])])) as Record<ThemeColor, Color>,
);

/** The colours of the moment. They fade from one theme to the next as the flight goes on. */
export const theme = Object.fromEntries(THEME_COLORS.map((key) => [key, palettes[0][key].clone()])) as Record<
  ThemeColor,
  Color
>;

export const themeName = (distance: number) =>
  themes[Math.floor(distance / config.metersPerTheme) % themes.length].name;

export function updateTheme(distance: number): void {
  const position = distance / config.metersPerTheme;
  const from = palettes[Math.floor(position) % palettes.length];
  const to = palettes[(Math.floor(position) + 1) % palettes.length];
  // Stays for most of the stretch, then fades.
  const t = Math.max(0, (position % 1) - 0.8) / 0.2;
  for (const key of THEME_COLORS) theme[key].lerpColors(from[key], to[key], t * t * (3 - 2 * t));
}
