import type Phaser from 'phaser';
import { DETAIL } from './art';
import config from './config.json';
import { type LevelMap, type Spot, TILE } from './levelMap';

/** Something that hurts unless it is stomped. */
export interface Creature {
  readonly x: number;
  readonly y: number;
  readonly reach: { width: number; height: number };
  readonly color: 'violet' | 'rose';
  alive: boolean;
  update(dt: number): void;
  squash(scene: Phaser.Scene): void;
}

/** Walks up and down the ledge it stands on. */
export class Creep implements Creature {
  readonly reach = { width: 34, height: 30 };
  readonly color = 'violet';
  alive = true;
  x: number;
  y: number;

  private readonly image: Phaser.GameObjects.Image;
  private readonly from: number;
  private readonly to: number;
  private direction = -1;
  private time = Math.random() * 5;

  constructor(
    scene: Phaser.Scene,
    spot: Spot,
    map: LevelMap,
    private readonly pace: number,
  ) {
    const canStand = (column: number) =>
      column >= 0 &&
      column < map.columns &&
      !map.isGround(column, spot.row) &&
      (map.isGround(column, spot.row + 1) || map.isPlatform(column, spot.row + 1)) &&
      !map.spots.some((other) => other.row === spot.row && other.column === column && other.kind === '^');
    let left = spot.column;
    let right = spot.column;
    while (canStand(left - 1) && spot.column - left < 5) left--;
    while (canStand(right + 1) && right - spot.column < 5) right++;
    this.from = (left + 0.5) * TILE;
    this.to = (right + 0.5) * TILE;
    this.x = spot.x;
    this.y = (spot.row + 1) * TILE - 17;
    this.image = scene.add.image(this.x, this.y, 'creep').setOrigin(0.5, 1).setDepth(15);
  }

  update(dt: number): void {
    if (!this.alive) return;
    this.time += dt;
    this.x += this.direction * config.creatures.creepSpeed * this.pace * dt;
    if (this.x < this.from) this.direction = 1;
    if (this.x > this.to) this.direction = -1;
    const step = Math.sin(this.time * 11);
    this.image.setPosition(this.x, this.y + 18 - Math.abs(step) * 2.5).setRotation(step * 0.06);
    this.image.setScale(-this.direction / DETAIL, (1 + step * 0.05) / DETAIL);
  }

  squash(scene: Phaser.Scene): void {
    this.alive = false;
    const { image } = this;
    scene.tweens.add({
      targets: image,
      scaleY: 0.08,
      scaleX: 0.75,
      alpha: 0,
      duration: 260,
      onComplete: () => image.destroy(),
    });
  }
}

/** Flutters around its place. */
export class Moth implements Creature {
  readonly reach = { width: 36, height: 28 };
  readonly color = 'rose';
  alive = true;
  x: number;
  y: number;

  private readonly image: Phaser.GameObjects.Image;
  private readonly glow: Phaser.GameObjects.Image;
  private time = Math.random() * 5;

  constructor(
    scene: Phaser.Scene,
    private readonly spot: Spot,
    private readonly pace: number,
  ) {
    this.x = spot.x;
    this.y = spot.y;
    this.glow = scene.add.image(this.x, this.y, 'glow-rose').setDepth(14).setScale(0.9).setBlendMode('ADD');
    this.image = scene.add.image(this.x, this.y, 'moth').setDepth(15);
  }

  update(dt: number): void {
    if (!this.alive) return;
    this.time += dt * config.creatures.mothSpeed * this.pace;
    this.x = this.spot.x + Math.sin(this.time) * config.creatures.mothSwing;
    this.y = this.spot.y + Math.sin(this.time * 2) * 34;
    const flap = 0.55 + Math.abs(Math.sin(this.time * 9)) * 0.45;
    this.image.setPosition(this.x, this.y).setScale(flap / DETAIL, 1 / DETAIL);
    this.image.setRotation(Math.cos(this.time) * 0.25);
    this.glow.setPosition(this.x, this.y).setAlpha(0.3 + flap * 0.2);
  }

  squash(scene: Phaser.Scene): void {
    this.alive = false;
    const { image } = this;
    this.glow.destroy();
    scene.tweens.add({
      targets: image,
      y: image.y + 140,
      angle: 200,
      alpha: 0,
      duration: 520,
      ease: 'quad.in',
      onComplete: () => image.destroy(),
    });
  }
}
