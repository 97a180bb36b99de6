import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atlasOf, layOut } from '../../src/core/atlas.ts';

const tile = fc.record({ width: fc.integer({ min: 1, max: 80 }), height: fc.integer({ min: 1, max: 80 }) });

describe('pictures on a sheet', () => {
  it('lie within it, apart by the padding, each once and as large as it is', () => {
    fc.assert(
      fc.property(fc.array(tile, { minLength: 1, maxLength: 40 }), fc.integer({ min: 0, max: 8 }), (sizes, padding) => {
        const tiles = sizes.map((size, index) => ({ ...size, name: `t${index}.png` }));
        const sheet = layOut(tiles, 512, padding);
        if (!sheet) return;
        expect(sheet.tiles.map(({ name, width, height }) => ({ name, width, height }))).toEqual(
          [...tiles]
            .sort((a, b) => (a.name < b.name ? -1 : 1))
            .map(({ name, width, height }) => ({ name, width, height })),
        );
        for (const one of sheet.tiles) {
          expect(one.x >= 0 && one.y >= 0).toBe(true);
          expect(one.x + one.width <= sheet.width && one.y + one.height <= sheet.height).toBe(true);
          for (const other of sheet.tiles)
            if (one !== other) {
              const apart =
                one.x + one.width + padding <= other.x ||
                other.x + other.width + padding <= one.x ||
                one.y + one.height + padding <= other.y ||
                other.y + other.height + padding <= one.y;
              expect(apart).toBe(true);
            }
        }
        expect(layOut(tiles, 512, padding)).toEqual(sheet);
      }),
      { numRuns: 200 },
    );
  });

  it('have no sheet where they do not fit, one by itself or together', () => {
    expect(layOut([{ name: 'a', width: 65, height: 1 }], 64, 0)).toBeNull();
    expect(
      layOut(
        [1, 2, 3].map((n) => ({ name: `${n}`, width: 40, height: 40 })),
        64,
        0,
      ),
    ).toBeNull();
    expect(
      layOut(
        [1, 2, 3, 4].map((n) => ({ name: `${n}`, width: 32, height: 32 })),
        64,
        0,
      ),
    ).not.toBeNull();
  });

  it('stand in the atlas by their names, as TexturePacker writes it', () => {
    const sheet = { width: 12, height: 9, tiles: [{ name: 'a.png', x: 2, y: 3, width: 4, height: 5 }] };
    expect(JSON.parse(atlasOf(sheet, 's.png'))).toEqual({
      frames: {
        'a.png': {
          frame: { x: 2, y: 3, w: 4, h: 5 },
          rotated: false,
          trimmed: false,
          spriteSourceSize: { x: 0, y: 0, w: 4, h: 5 },
          sourceSize: { w: 4, h: 5 },
        },
      },
      meta: { app: 'Kiln', version: '1.0', image: 's.png', format: 'RGBA8888', size: { w: 12, h: 9 }, scale: '1' },
    });
  });
});
