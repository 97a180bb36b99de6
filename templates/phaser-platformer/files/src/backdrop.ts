import type Phaser from 'phaser';
import { paintTexture } from './art';

interface Layer {
  sprite: Phaser.GameObjects.TileSprite;
  /** How much of the camera's movement the layer follows: 0 stands still, 1 moves with the ground. */
  pace: number;
  /** Where its lower edge is, above the bottom of the level. */
  rise: number;
}

const WIDTH = 1024;
const HEIGHT = 420;

/** A ridge that repeats seamlessly: every wave fits a whole number of times in the width. */
function ridge(x: number, waves: [number, number, number][]): number {
  return waves.reduce(
    (sum, [times, size, shift]) => sum + Math.sin((x / WIDTH) * Math.PI * 2 * times + shift) * size,
    0,
  );
}

function paintHills(
  colors: [string, string],
  base: number,
  waves: [number, number, number][],
  trees: number,
) {
  return (context: CanvasRenderingContext2D) => {
    const fill = context.createLinearGradient(0, HEIGHT - base - 120, 0, HEIGHT);
    fill.addColorStop(0, colors[0]);
    fill.addColorStop(1, colors[1]);
    context.fillStyle = fill;
    const top = (x: number) => HEIGHT - base - ridge(x, waves);
    context.beginPath();
    context.moveTo(0, HEIGHT);
    for (let x = 0; x <= WIDTH; x += 4) context.lineTo(x, top(x));
    context.lineTo(WIDTH, HEIGHT);
    context.fill();
    for (let i = 0; i < trees; i++) {
      const x = ((i + 0.5) / trees) * WIDTH + Math.sin(i * 12.9) * 14;
      const size = 38 + Math.abs(Math.sin(i * 78.2)) * 58;
      // Drawn twice where it crosses the edge, so that the picture repeats.
      for (const at of [x, x - WIDTH, x + WIDTH]) paintPine(context, at, top((x + WIDTH) % WIDTH) + 8, size);
    }
  };
}

function paintPine(context: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  context.beginPath();
  for (let tier = 0; tier < 3; tier++) {
    const bottom = y - size * tier * 0.27;
    const half = size * (0.3 - tier * 0.075);
    context.moveTo(x - half, bottom);
    context.quadraticCurveTo(x - half * 0.3, bottom - size * 0.2, x, bottom - size * 0.48);
    context.quadraticCurveTo(x + half * 0.3, bottom - size * 0.2, x + half, bottom);
  }
  context.fill();
}

/** Dusk: sky, moon, stars and three ranges of hills that move at their own pace. */
export class Backdrop {
  private readonly sky: Phaser.GameObjects.Image;
  private readonly moon: Phaser.GameObjects.Image;
  private readonly layers: Layer[];

  constructor(private readonly scene: Phaser.Scene) {
    paintTexture(scene, 'sky', 512, 512, (context) => {
      const fill = context.createLinearGradient(0, 0, 0, 512);
      fill.addColorStop(0, '#131033');
      fill.addColorStop(0.35, '#3a2670');
      fill.addColorStop(0.62, '#a8487f');
      fill.addColorStop(0.8, '#ff8a6b');
      fill.addColorStop(1, '#ffc98a');
      context.fillStyle = fill;
      context.fillRect(0, 0, 512, 512);
      for (let i = 0; i < 90; i++) {
        const y = Math.abs(Math.sin(i * 91.7)) ** 1.5 * 260;
        context.fillStyle = `rgba(255, 241, 214, ${(0.75 * (1 - y / 300)).toFixed(2)})`;
        context.fillRect((Math.abs(Math.sin(i * 37.3)) * 9973) % 512, y, 1.1, 1.1);
      }
    });
    paintTexture(scene, 'moon', 240, 240, (context) => {
      const halo = context.createRadialGradient(120, 120, 40, 120, 120, 120);
      halo.addColorStop(0, 'rgba(255, 241, 214, 0.5)');
      halo.addColorStop(1, 'rgba(255, 160, 170, 0)');
      context.fillStyle = halo;
      context.fillRect(0, 0, 240, 240);
      context.fillStyle = '#fff1d6';
      context.beginPath();
      context.arc(120, 120, 46, 0, Math.PI * 2);
      context.fill();
      context.fillStyle = 'rgba(222, 180, 190, 0.45)';
      for (const [x, y, radius] of [
        [105, 108, 9],
        [133, 124, 13],
        [112, 140, 7],
      ]) {
        context.beginPath();
        context.arc(x, y, radius, 0, Math.PI * 2);
        context.fill();
      }
    });
    const far = paintHills(
      ['#a3508f', '#7d3f8c'],
      230,
      [
        [2, 34, 0],
        [5, 16, 1],
        [9, 6, 2],
      ],
      0,
    );
    const middle = paintHills(
      ['#64357f', '#42266e'],
      150,
      [
        [3, 26, 2],
        [4, 18, 0.5],
        [11, 4, 1],
      ],
      20,
    );
    const near = paintHills(
      ['#3a2263', '#1c1142'],
      84,
      [
        [2, 20, 4],
        [5, 14, 2.5],
        [7, 5, 0],
      ],
      15,
    );
    paintTexture(scene, 'hills-far', WIDTH, HEIGHT, far, 1);
    paintTexture(scene, 'hills-middle', WIDTH, HEIGHT, middle, 1);
    paintTexture(scene, 'hills-near', WIDTH, HEIGHT, near, 1);

    this.sky = scene.add.image(0, 0, 'sky').setScrollFactor(0).setDepth(0);
    this.moon = scene.add.image(0, 0, 'moon').setScrollFactor(0).setDepth(1).setScale(0.5);
    this.layers = [
      this.addLayer('hills-far', 2, 0.08, 70),
      this.addLayer('hills-middle', 3, 0.2, 40),
      this.addLayer('hills-near', 4, 0.38, 0),
    ];
  }

  /** Everything here ignores the camera, so it is put in place by hand every frame. */
  update(levelHeight: number): void {
    const camera = this.scene.cameras.main;
    const width = camera.width / camera.zoom;
    const height = camera.height / camera.zoom;
    const middleX = camera.width / 2;
    const middleY = camera.height / 2;
    const centerX = camera.scrollX + middleX;
    const ground = middleY + levelHeight - (camera.scrollY + middleY);
    // Somewhat larger than the view, so that a camera shake shows no edge.
    this.sky.setPosition(middleX, ground - 40 - height * 0.55).setDisplaySize(width + 80, height * 1.1 + 80);
    this.moon.setPosition(middleX + width * 0.24, middleY - height * 0.27 + 20);
    for (const { sprite, pace, rise } of this.layers) {
      sprite.setPosition(middleX, ground - rise).setSize(width + 80, HEIGHT - 4);
      sprite.tilePositionX = Math.round((centerX * pace - width / 2) * 4) / 4;
    }
  }

  private addLayer(texture: string, depth: number, pace: number, rise: number): Layer {
    const sprite = this.scene.add.tileSprite(0, 0, 64, HEIGHT, texture);
    sprite.setOrigin(0.5, 1).setScrollFactor(0).setDepth(depth);
    // Leaves out the upper edge, where the lower one would shine through as the picture repeats.
    sprite.tilePositionY = 4;
    return { sprite, pace, rise };
  }
}
