import levels from './levels.json';

export const TILE = 40;

/**
 * Levels are drawn with characters, in levels.json:
 *
 *   #  ground          =  platform you can jump through   m  moving platform
 *   P  start           D  the kiln: end of the level      C  checkpoint lantern
 *   o  ember           h  heart                           j  spring mushroom
 *   s  creep (walks)   f  moth (flies)                    ^  thorns
 */
export interface Spot {
  kind: string;
  /** Middle of the cell, in world units. */
  x: number;
  y: number;
  column: number;
  row: number;
}

export interface LevelMap {
  name: string;
  columns: number;
  rows: number;
  width: number;
  height: number;
  spots: Spot[];
  isGround(column: number, row: number): boolean;
  isPlatform(column: number, row: number): boolean;
}

export const levelCount = levels.length;

export function readLevel(index: number): LevelMap {
  const { name, rows } = levels[index % levels.length];
  const columns = Math.max(...rows.map((row) => row.length));
  const at = (column: number, row: number) => rows[row]?.[column] ?? ' ';
  const spots: Spot[] = [];
  rows.forEach((text, row) => {
    [...text].forEach((kind, column) => {
      if (kind === ' ' || kind === '#' || kind === '=') return;
      spots.push({ kind, column, row, x: (column + 0.5) * TILE, y: (row + 0.5) * TILE });
    });
  });
  return {
    name,
    columns,
    rows: rows.length,
    width: columns * TILE,
    height: rows.length * TILE,
    spots,
    isGround: (column, row) =>
      at(Math.min(columns - 1, Math.max(0, column)), Math.min(row, rows.length - 1)) === '#',
    isPlatform: (column, row) => at(column, row) === '=',
  };
}
