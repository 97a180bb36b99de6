import { MaxRectsPacker } from 'maxrects-packer';

/** A picture that takes a place. */
export interface Tile {
  readonly name: string;
  readonly width: number;
  readonly height: number;
}

export interface Placed extends Tile {
  readonly x: number;
  readonly y: number;
}

export interface Sheet {
  readonly width: number;
  readonly height: number;
  readonly tiles: readonly Placed[];
}

/** Places for all tiles on one sheet, the same for the same tiles; null where they do not fit. Nothing is turned. */
export function layOut(tiles: readonly Tile[], maxSize: number, padding: number): Sheet | null {
  const packer = new MaxRectsPacker(maxSize, maxSize, padding, { smart: true, pot: false, square: false });
  for (const { name, width, height } of tiles) packer.add(width, height, name);
  const [sheet, ...more] = packer.bins;
  if (!sheet || more.length > 0 || sheet.width > maxSize || sheet.height > maxSize) return null;
  const places = sheet.rects.map(({ x, y, width, height, data }) => ({ name: String(data), x, y, width, height }));
  return { width: sheet.width, height: sheet.height, tiles: places.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** The JSON hash of TexturePacker, which Phaser's `load.atlas` and PixiJS's `Assets.load` read. */
export const atlasOf = ({ width, height, tiles }: Sheet, image: string): string =>
  JSON.stringify({
    frames: Object.fromEntries(
      tiles.map(({ name, x, y, width: w, height: h }) => [
        name,
        {
          frame: { x, y, w, h },
          rotated: false,
          trimmed: false,
          spriteSourceSize: { x: 0, y: 0, w, h },
          sourceSize: { w, h },
        },
      ]),
    ),
    meta: { app: 'Kiln', version: '1.0', image, format: 'RGBA8888', size: { w: width, h: height }, scale: '1' },
  });
