import type config from './config.json';

export type EnemyKind = keyof typeof config.enemies;

export type Formation = 'random' | 'line' | 'vee' | 'column';

export interface WaveGroup {
  kind: EnemyKind;
  count: number;
  /** Seconds between two spawns of this group. */
  every: number;
  /** Seconds from the start of the wave to the first spawn. */
  delay: number;
  formation: Formation;
}

export interface Wave {
  name: string;
  groups: WaveGroup[];
}

/** What is visible of the world, in world units; `scale` turns these into canvas pixels. */
export interface View {
  width: number;
  height: number;
  scale: number;
}

export interface Enemy {
  kind: EnemyKind;
  x: number;
  y: number;
  vx: number;
  vy: number;
  /** Where sideways movement swings around. */
  homeX: number;
  age: number;
  hp: number;
  maxHp: number;
  radius: number;
  color: string;
  angle: number;
  /** 1 right after being hit, fades to 0: draws the white flash. */
  flash: number;
  /** Seconds until the next shot, or until a hunter dives. */
  timer: number;
  phase: number;
  /** The last nova that struck this enemy, so that each one hurts only once. */
  novaId: number;
}

export interface Bullet {
  x: number;
  y: number;
  vx: number;
  vy: number;
}

export interface Gem {
  x: number;
  y: number;
  vx: number;
  vy: number;
  age: number;
}

export interface PowerUp {
  kind: 'weapon' | 'repair';
  x: number;
  y: number;
  age: number;
}

/** A short text that floats up and fades. */
export interface Floater {
  text: string;
  x: number;
  y: number;
  age: number;
  color: string;
  size: number;
}
