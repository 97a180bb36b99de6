import config from './config.json';
import { rand } from './math';
import type { Enemy, EnemyKind, Formation, View, Wave } from './types';
import waves from './waves.json';

const WAVES = waves as Wave[];

interface Planned {
  at: number;
  kind: EnemyKind;
  formation: Formation;
  index: number;
  count: number;
}

/** Turns waves.json into enemies. After the last wave it starts over, harder. */
export class Spawner {
  /** Counts all waves since the start of the game, from 1. */
  wave = 0;

  private planned: Planned[] = [];
  private clock = 0;
  private column = 0.5;

  get difficulty(): number {
    const { perWave, perLoop, max } = config.difficulty;
    const loops = Math.floor(Math.max(0, this.wave - 1) / WAVES.length);
    return Math.min(max, 1 + (this.wave - 1) * perWave + loops * perLoop);
  }

  get finished(): boolean {
    return this.planned.length === 0;
  }

  reset(): void {
    this.wave = 0;
    this.planned = [];
  }

  /** Plans the next wave and returns its name. */
  startNextWave(): string {
    const wave = WAVES[this.wave % WAVES.length];
    this.wave++;
    this.clock = 0;
    this.column = rand(0.25, 0.75);
    this.planned = wave.groups
      .flatMap((group) =>
        Array.from({ length: group.count }, (_, index) => ({
          at: group.delay + index * group.every,
          kind: group.kind,
          formation: group.formation,
          index,
          count: group.count,
        })),
      )
      .sort((a, b) => a.at - b.at);
    return wave.name;
  }

  update(dt: number, view: View, enemies: Enemy[]): void {
    this.clock += dt;
    while (this.planned.length > 0 && this.planned[0].at <= this.clock) {
      const next = this.planned.shift();
      if (next) enemies.push(this.create(next, view));
    }
  }

  private create(plan: Planned, view: View): Enemy {
    const stats = config.enemies[plan.kind];
    const margin = stats.radius + 30;
    const room = view.width - margin * 2;
    let place = Math.random();
    let rise = 0;
    if (plan.formation === 'line') place = (plan.index + 1) / (plan.count + 1);
    if (plan.formation === 'column') place = this.column;
    if (plan.formation === 'vee') {
      const offset = plan.index - (plan.count - 1) / 2;
      place = 0.5 + (offset / plan.count) * 0.7;
      rise = Math.abs(offset) * 26;
    }
    const x = margin + place * room;
    const toughness = plan.kind === 'brute' ? this.difficulty : 1 + (this.difficulty - 1) * 0.5;
    const hp = Math.round(stats.hp * toughness);
    return {
      kind: plan.kind,
      x,
      y: -stats.radius - 20 - rise,
      vx: rand(-18, 18),
      vy: stats.speed * this.difficulty,
      homeX: x,
      age: 0,
      hp,
      maxHp: hp,
      radius: stats.radius,
      color: stats.color,
      angle: rand(0, 6),
      flash: 0,
      timer: rand(0.9, 1.6),
      phase: plan.formation === 'random' ? rand(0, 6) : 0,
      novaId: 0,
    };
  }
}
