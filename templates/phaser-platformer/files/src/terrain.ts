import type Phaser from 'phaser';
import { DETAIL, PALETTE, paintTexture } from './art';
import { type LevelMap, TILE } from './levelMap';

const CHUNK_COLUMNS = 24;
const CORNER = 13;

/** A number in 0..1 that is always the same for the same cell, so that the ground never flickers. */
function noise(column: number, row: number, seed = 0): number {
  const value = Math.sin(column * 127.1 + row * 311.7 + seed * 74.7) * 43758.5453;
  return value - Math.floor(value);
}

/**
 * Paints the ground as one picture per stretch of the level instead of drawing tiles: corners can
 * then be round and grass can hang over the edges. Collisions do use tiles, see LevelScene.
 */
export function buildTerrain(scene: Phaser.Scene, map: LevelMap): void {
  for (let from = 0; from < map.columns; from += CHUNK_COLUMNS) {
    const columns = Math.min(CHUNK_COLUMNS, map.columns - from);
    const key = `terrain-${from}`;
    paintTexture(scene, key, columns * TILE, map.height, (context) => {
      context.translate(-from * TILE, 0);
      // One column more on both sides, for the grass that hangs over from there.
      for (let row = 0; row < map.rows; row++) {
        for (let column = from - 1; column <= from + columns; column++) {
          if (map.isGround(column, row)) paintSoil(context, map, column, row);
        }
      }
      for (let row = 0; row < map.rows; row++) {
        for (let column = from - 1; column <= from + columns; column++) {
          if (map.isGround(column, row) && !map.isGround(column, row - 1))
            paintGrass(context, map, column, row);
          if (map.isPlatform(column, row)) paintPlatform(context, map, column, row);
        }
      }
    });
    scene.add
      .image(from * TILE, 0, key)
      .setOrigin(0)
      .setScale(1 / DETAIL)
      .setDepth(10);
  }
  // What is under the level, visible on tall screens.
  scene.add
    .rectangle(-2000, map.height, map.width + 4000, 1600, 0x0d0822)
    .setOrigin(0)
    .setDepth(11);
}

function paintSoil(context: CanvasRenderingContext2D, map: LevelMap, column: number, row: number): void {
  const open = (dx: number, dy: number) => !map.isGround(column + dx, row + dy);
  const x = column * TILE;
  const y = row * TILE;
  const corner = (dx: number, dy: number) => (open(dx, 0) && open(0, dy) ? CORNER : 0);
  const soil = context.createLinearGradient(0, map.height - TILE * 9, 0, map.height);
  soil.addColorStop(0, '#4a2c78');
  soil.addColorStop(0.55, '#2b1a55');
  soil.addColorStop(1, '#0d0822');
  context.fillStyle = soil;
  context.beginPath();
  // Half a unit larger than the cell, to leave no seams between cells.
  context.roundRect(x - 0.5, y - 0.5, TILE + 1, TILE + 1, [
    corner(-1, -1),
    corner(1, -1),
    corner(1, 1),
    corner(-1, 1),
  ]);
  context.fill();

  // A little light on the edges that face the moon.
  if (open(-1, 0)) {
    context.fillStyle = 'rgba(160, 130, 255, 0.22)';
    context.fillRect(x, y + (open(0, -1) ? CORNER : 0), 3, TILE);
  }
  if (noise(column, row) > 0.72 && !open(0, -1)) {
    context.fillStyle = noise(column, row, 1) > 0.5 ? 'rgba(140, 110, 230, 0.2)' : 'rgba(8, 4, 26, 0.28)';
    const radius = 4 + noise(column, row, 2) * 6;
    context.beginPath();
    context.ellipse(x + 12 + noise(column, row, 3) * 16, y + 20, radius * 1.3, radius, 0.3, 0, Math.PI * 2);
    context.fill();
  }
}

function paintGrass(context: CanvasRenderingContext2D, map: LevelMap, column: number, row: number): void {
  const x = column * TILE;
  const y = row * TILE;
  const left = map.isGround(column - 1, row) ? 0 : 4;
  const right = map.isGround(column + 1, row) ? 0 : 4;
  const grass = context.createLinearGradient(0, y - 6, 0, y + 18);
  grass.addColorStop(0, '#7dffcf');
  grass.addColorStop(0.3, '#35c9a5');
  grass.addColorStop(1, '#1b6e80');
  context.fillStyle = grass;
  context.beginPath();
  context.roundRect(x - left, y - 3, TILE + left + right, 12, [left * 2, right * 2, right * 1.5, left * 1.5]);
  context.fill();
  // Tufts hang down and blades stand up, all a little different.
  for (let i = 0; i < 4; i++) {
    const at = x + 2 + i * 10;
    const drop = 6 + noise(column, row, i) * 9;
    context.beginPath();
    context.moveTo(at - 2, y + 7);
    context.quadraticCurveTo(at + 4, y + 8 + drop * 1.4, at + 10, y + 7);
    context.fill();
    const blade = 5 + noise(column, row, i + 9) * 9;
    const lean = (noise(column, row, i + 17) - 0.5) * 9;
    context.beginPath();
    context.moveTo(at + 1, y - 1);
    context.quadraticCurveTo(at + 2, y - blade * 0.6, at + 3 + lean, y - 2 - blade);
    context.quadraticCurveTo(at + 5, y - blade * 0.4, at + 5, y - 1);
    context.fill();
  }
  if (noise(column, row, 31) > 0.82) {
    context.fillStyle = noise(column, row, 32) > 0.5 ? '#ffb0d0' : PALETTE.amber;
    context.beginPath();
    context.arc(x + 14 + noise(column, row, 33) * 12, y - 12, 3, 0, Math.PI * 2);
    context.fill();
  }
}

function paintPlatform(context: CanvasRenderingContext2D, map: LevelMap, column: number, row: number): void {
  const x = column * TILE;
  const y = row * TILE;
  const left = map.isPlatform(column - 1, row) ? 0 : 8;
  const right = map.isPlatform(column + 1, row) ? 0 : 8;
  const wood = context.createLinearGradient(0, y, 0, y + 18);
  wood.addColorStop(0, '#ffcf8a');
  wood.addColorStop(0.25, '#b5685a');
  wood.addColorStop(1, '#512650');
  context.fillStyle = wood;
  context.beginPath();
  context.roundRect(x - 0.5, y, TILE + 1, 17, [left, right, right, left]);
  context.fill();
  context.fillStyle = 'rgba(45, 12, 50, 0.4)';
  context.fillRect(x + TILE - 1, y + 3, 2, 12);
}
