import type { Sound } from './audio';
import config from './config.json';
import type { Input } from './input';
import { clamp, damp, rand, TAU, touches } from './math';
import type { Particles } from './particles';
import { Spawner } from './spawner';
import { loadBest, saveBest } from './storage';
import type { Bullet, Enemy, Floater, Gem, PowerUp, View } from './types';

export type Phase = 'title' | 'playing' | 'over';

const NOVA_SPEED = 1300;

/** The rules. It draws nothing: renderer.ts and hud.ts show what is in here. */
export class Game {
  phase: Phase = 'title';
  paused = false;
  /** Seconds since the phase began, for the animations of the screens. */
  phaseAge = 0;

  score = 0;
  best = loadBest();
  newBest = false;
  lives = 0;
  weapon = 1;
  gemsHeld = 0;
  novaCharge = 0;
  waveName = '';
  waveAge = 99;

  ship = { x: 0, y: 0, vx: 0, vy: 0, safe: 0, alive: true };
  enemies: Enemy[] = [];
  shots: Bullet[] = [];
  enemyShots: Bullet[] = [];
  gems: Gem[] = [];
  powerUps: PowerUp[] = [];
  floaters: Floater[] = [];
  nova: { x: number; y: number; radius: number } | undefined;

  /** 0..1; the renderer shakes the picture by its square. */
  shake = 0;
  /** Seconds for which the world stands nearly still, to give weight to a blow. */
  freeze = 0;

  private readonly spawner = new Spawner();
  private fireTimer = 0;
  private waveGap = 0;
  private gemStreak = 0;
  private novaCount = 0;
  private time = 0;

  constructor(
    readonly view: View,
    private readonly particles: Particles,
    private readonly sound: Sound,
  ) {
    this.enterTitle();
  }

  get multiplier(): number {
    const { perMultiplier, maxMultiplier } = config.gems;
    return Math.min(maxMultiplier, 1 + Math.floor(this.gemsHeld / perMultiplier));
  }

  get wave(): number {
    return this.spawner.wave;
  }

  /** 0..1, how hard the game is now: the music follows it. */
  get intensity(): number {
    return clamp((this.spawner.difficulty - 1) / 1.2, 0, 1);
  }

  start(): void {
    this.clearWorld();
    this.phase = 'playing';
    this.phaseAge = 0;
    this.score = 0;
    this.newBest = false;
    this.lives = config.player.lives;
    this.weapon = 1;
    this.gemsHeld = 0;
    this.novaCharge = 0.4;
    this.ship.safe = 1.5;
    this.sound.setMusic(true);
    this.sound.powerUp();
  }

  update(frameTime: number, input: Input, pixelsPerUnit: number): void {
    this.phaseAge += frameTime;
    if (this.phase === 'title' && input.pressed('confirm')) this.start();
    else if (this.phase === 'over' && this.phaseAge > 0.9 && input.pressed('confirm')) this.start();

    this.shake = Math.max(0, this.shake - frameTime * 1.6);
    this.freeze = Math.max(0, this.freeze - frameTime);
    const dying = this.phase === 'over' && this.phaseAge < 1;
    const dt = frameTime * (this.freeze > 0 ? 0.08 : dying ? 0.35 : 1);
    this.time += dt;
    this.waveAge += dt;

    this.updateShip(dt, input, pixelsPerUnit);
    this.updateWaves(dt);
    this.updateEnemies(dt);
    this.updateShots(dt);
    this.updateNova(dt);
    this.updatePickups(dt);
    for (const floater of this.floaters) floater.age += dt;
    this.floaters = this.floaters.filter((floater) => floater.age < 0.9);
    this.particles.update(dt);
  }

  /** Keeps everything at its place across the screen when the window changes. */
  resized(oldWidth: number): void {
    const factor = this.view.width / oldWidth;
    const lists = [this.enemies, this.shots, this.enemyShots, this.gems, this.powerUps, [this.ship]];
    for (const thing of lists.flat()) thing.x *= factor;
    for (const enemy of this.enemies) enemy.homeX *= factor;
  }

  private enterTitle(): void {
    this.clearWorld();
    this.phase = 'title';
    this.phaseAge = 0;
  }

  private clearWorld(): void {
    this.enemies = [];
    this.shots = [];
    this.enemyShots = [];
    this.gems = [];
    this.powerUps = [];
    this.floaters = [];
    this.nova = undefined;
    this.particles.clear();
    this.spawner.reset();
    this.waveGap = 0.6;
    this.waveAge = 99;
    this.ship = { x: this.view.width / 2, y: this.view.height * 0.82, vx: 0, vy: 0, safe: 0, alive: true };
  }

  private updateShip(dt: number, input: Input, pixelsPerUnit: number): void {
    const { ship, view } = this;
    if (!ship.alive) return;
    ship.safe = Math.max(0, ship.safe - dt);

    if (this.phase === 'title') {
      // The title screen plays by itself.
      const target = view.width * (0.5 + Math.sin(this.time * 0.9) * 0.3);
      ship.vx = (target - ship.x) * 3;
      ship.vy = (view.height * 0.84 - ship.y) * 3;
    } else {
      const direction = input.direction();
      ship.vx = damp(ship.vx, direction.x * config.player.speed, 14, dt);
      ship.vy = damp(ship.vy, direction.y * config.player.speed, 14, dt);
      // A drag moves the ship a bit further than the finger, so that it never hides the ship.
      ship.x += (input.dragX / pixelsPerUnit) * 1.25;
      ship.y += (input.dragY / pixelsPerUnit) * 1.25;
      if (input.dragX !== 0 && dt > 0) ship.vx = clamp(input.dragX / pixelsPerUnit / dt, -420, 420);
      if (input.pressed('nova') && this.phaseAge > 0.2) this.fireNova();
    }
    ship.x = clamp(ship.x + ship.vx * dt, 26, view.width - 26);
    ship.y = clamp(ship.y + ship.vy * dt, 60, view.height - 40);
    this.particles.flame(ship.x, ship.y + 27, ship.vy < -40 ? 1.5 : 1);

    this.fireTimer -= dt;
    if (this.fireTimer <= 0) {
      this.fireTimer = config.player.fireInterval;
      this.fire();
    }
  }

  private fire(): void {
    const { ship } = this;
    const speed = config.player.bulletSpeed;
    const angles = [[0], [-0.035, 0.035], [-0.13, 0, 0.13], [-0.22, -0.07, 0.07, 0.22]][this.weapon - 1] ?? [
      0,
    ];
    for (const angle of angles) {
      const vx = Math.sin(angle) * speed;
      this.shots.push({ x: ship.x + angle * 90, y: ship.y - 30, vx, vy: -Math.cos(angle) * speed });
    }
    if (this.phase === 'playing') this.sound.shoot();
  }

  private fireNova(): void {
    if (this.novaCharge < 1) return;
    this.novaCharge = 0;
    this.novaCount++;
    this.nova = { x: this.ship.x, y: this.ship.y, radius: 0 };
    this.shake = 1;
    this.freeze = 0.08;
    this.ship.safe = Math.max(this.ship.safe, 1);
    this.sound.nova();
  }

  private updateNova(dt: number): void {
    const { nova } = this;
    if (!nova) return;
    nova.radius += NOVA_SPEED * dt;
    this.enemyShots = this.enemyShots.filter((shot) => {
      const caught = touches(shot.x, shot.y, nova.x, nova.y, nova.radius);
      if (caught) this.particles.sparkle(shot.x, shot.y, '#ffd166');
      return !caught;
    });
    for (const enemy of this.enemies) {
      if (enemy.novaId === this.novaCount || enemy.y < -enemy.radius) continue;
      if (!touches(enemy.x, enemy.y, nova.x, nova.y, nova.radius + enemy.radius)) continue;
      enemy.novaId = this.novaCount;
      this.damage(enemy, 25);
    }
    if (nova.radius > Math.hypot(this.view.width, this.view.height)) this.nova = undefined;
  }

  private updateWaves(dt: number): void {
    if (this.phase === 'over') return;
    this.spawner.update(dt, this.view, this.enemies);
    if (!this.spawner.finished || this.enemies.length > 0) {
      this.waveGap = 1.4;
      return;
    }
    this.waveGap -= dt;
    if (this.waveGap > 0) return;
    this.waveName = this.spawner.startNextWave();
    if (this.phase !== 'playing') return;
    this.waveAge = 0;
    this.sound.wave();
  }

  private updateEnemies(dt: number): void {
    const { ship } = this;
    for (const enemy of this.enemies) {
      enemy.age += dt;
      enemy.flash = Math.max(0, enemy.flash - dt * 7);
      this.steer(enemy, dt);
      enemy.x += enemy.vx * dt;
      enemy.y += enemy.vy * dt;
      if (
        ship.alive &&
        touches(enemy.x, enemy.y, ship.x, ship.y, enemy.radius * 0.85 + config.player.hitRadius)
      ) {
        if (this.hurtShip()) this.damage(enemy, 12);
      }
    }
    this.enemies = this.enemies.filter(
      (enemy) => enemy.hp > 0 && enemy.y < this.view.height + enemy.radius + 30,
    );
  }

  /** How each kind of enemy moves and shoots. */
  private steer(enemy: Enemy, dt: number): void {
    const { ship, view } = this;
    const { difficulty } = this.spawner;
    switch (enemy.kind) {
      case 'drifter':
        enemy.angle += dt * (enemy.vx > 0 ? 1.1 : -1.1);
        break;
      case 'weaver': {
        const swing = Math.min(170, view.width * 0.3);
        const wanted = enemy.homeX + Math.sin(enemy.age * 2.2 + enemy.phase) * swing;
        enemy.vx = (clamp(wanted, 30, view.width - 30) - enemy.x) * 5;
        enemy.angle = enemy.vx * 0.0022;
        break;
      }
      case 'hunter': {
        // Comes in, takes aim for a moment, then dives.
        const diving = enemy.timer <= 0;
        if (!diving && enemy.y > view.height * 0.2) {
          enemy.vy = damp(enemy.vy, 0, 6, dt);
          enemy.timer -= dt * difficulty;
          enemy.angle = Math.atan2(ship.y - enemy.y, ship.x - enemy.x) - TAU / 4;
          if (enemy.timer <= 0) {
            const speed = 520 * Math.sqrt(difficulty);
            const aim = enemy.angle + TAU / 4;
            enemy.vx = Math.cos(aim) * speed;
            enemy.vy = Math.max(180, Math.sin(aim) * speed);
          }
        } else if (!diving) {
          enemy.angle = 0;
        }
        break;
      }
      case 'turret': {
        const stay = enemy.age < 11;
        const hold = enemy.y > view.height * 0.22 && stay;
        enemy.vy = damp(enemy.vy, hold ? 0 : 90, 3, dt);
        enemy.angle += dt * 1.6;
        enemy.timer -= dt * difficulty;
        if (enemy.timer <= 0 && enemy.y > 0 && enemy.y < view.height * 0.6) {
          enemy.timer = 1.5;
          const aim = Math.atan2(ship.y - enemy.y, ship.x - enemy.x);
          for (const spread of [-0.16, 0, 0.16]) this.enemyFire(enemy, aim + spread, 230 * difficulty);
        }
        break;
      }
      case 'brute': {
        const arrived = enemy.y > view.height * 0.24;
        enemy.vy = damp(enemy.vy, arrived ? 0 : 70, 2, dt);
        const wanted = enemy.homeX + Math.sin(enemy.age * 0.7) * Math.min(180, view.width * 0.22);
        enemy.vx = (clamp(wanted, 80, view.width - 80) - enemy.x) * 1.5;
        enemy.angle += dt * 0.5;
        enemy.timer -= dt * difficulty;
        if (enemy.timer <= 0 && arrived) {
          enemy.phase++;
          enemy.timer = enemy.phase % 4 === 0 ? 1.9 : 0.55;
          const count = 10;
          for (let i = 0; i < count; i++) {
            this.enemyFire(enemy, (i / count) * TAU + enemy.phase * 0.21, 165 * difficulty);
          }
        }
        break;
      }
    }
  }

  private enemyFire(enemy: Enemy, angle: number, speed: number): void {
    const x = enemy.x + Math.cos(angle) * enemy.radius * 0.8;
    const y = enemy.y + Math.sin(angle) * enemy.radius * 0.8;
    this.enemyShots.push({ x, y, vx: Math.cos(angle) * speed, vy: Math.sin(angle) * speed });
  }

  private updateShots(dt: number): void {
    const { view, ship } = this;
    const move = (shot: Bullet) => {
      shot.x += shot.vx * dt;
      shot.y += shot.vy * dt;
    };
    this.shots = this.shots.filter((shot) => {
      move(shot);
      for (const enemy of this.enemies) {
        if (enemy.hp <= 0 || !touches(shot.x, shot.y, enemy.x, enemy.y, enemy.radius + 5)) continue;
        this.particles.impact(shot.x, shot.y, enemy.color);
        this.damage(enemy, 1);
        return false;
      }
      return shot.y > -20;
    });
    this.enemyShots = this.enemyShots.filter((shot) => {
      move(shot);
      if (
        ship.alive &&
        touches(shot.x, shot.y, ship.x, ship.y, config.player.hitRadius + 5) &&
        this.hurtShip()
      ) {
        return false;
      }
      return shot.x > -30 && shot.x < view.width + 30 && shot.y > -30 && shot.y < view.height + 30;
    });
    this.enemies = this.enemies.filter((enemy) => enemy.hp > 0);
  }

  private damage(enemy: Enemy, amount: number): void {
    if (enemy.hp <= 0) return;
    enemy.hp -= amount;
    enemy.flash = 1;
    if (enemy.hp > 0) {
      if (this.phase === 'playing') this.sound.hit();
      return;
    }
    const stats = config.enemies[enemy.kind];
    this.particles.explode(enemy.x, enemy.y, enemy.color, enemy.radius);
    for (let i = 0; i < stats.gems; i++) {
      const angle = rand(0, TAU);
      const speed = rand(30, 60 + enemy.radius * 3);
      this.gems.push({
        x: enemy.x,
        y: enemy.y,
        vx: Math.cos(angle) * speed,
        vy: Math.sin(angle) * speed,
        age: 0,
      });
    }
    if (this.phase !== 'playing') return;
    const size = clamp(enemy.radius / 56, 0, 1);
    const points = stats.score * this.multiplier;
    this.score += points;
    this.shake = Math.min(1, this.shake + 0.12 + size * 0.5);
    this.freeze = Math.max(this.freeze, size > 0.8 ? 0.12 : 0.02);
    this.sound.explode(size);
    this.float(`${points}`, enemy.x, enemy.y, enemy.color, 14 + size * 14);
    if (Math.random() < stats.drop) {
      const repair =
        this.lives < config.player.lives ? Math.random() < 0.5 : this.weapon >= config.player.maxWeapon;
      this.powerUps.push({ kind: repair ? 'repair' : 'weapon', x: enemy.x, y: enemy.y, age: 0 });
    }
  }

  /** Returns whether the ship was hit (it may be safe for a moment after the last hit). */
  private hurtShip(): boolean {
    const { ship } = this;
    if (this.phase !== 'playing' || ship.safe > 0) return false;
    this.lives--;
    this.weapon = Math.max(1, this.weapon - 1);
    this.gemsHeld = Math.floor(this.gemsHeld / 2);
    this.shake = 1;
    this.freeze = 0.12;
    ship.safe = config.player.safeSecondsAfterHit;
    this.particles.explode(ship.x, ship.y, '#ff6a3d', 34);
    this.sound.hurt();
    if (this.lives <= 0) this.endGame();
    return true;
  }

  private endGame(): void {
    this.phase = 'over';
    this.phaseAge = 0;
    this.ship.alive = false;
    this.newBest = this.score > this.best;
    this.best = Math.max(this.best, this.score);
    saveBest(this.best);
    this.particles.explode(this.ship.x, this.ship.y, '#ffd166', 70);
    this.particles.ring(this.ship.x, this.ship.y, '#ff4d8d', 320, 0.9);
    this.sound.setMusic(false);
    this.sound.explode(1);
    this.sound.gameOver();
  }

  private updatePickups(dt: number): void {
    const { ship, view } = this;
    const reach = config.gems.magnetRadius;
    this.gems = this.gems.filter((gem) => {
      gem.age += dt;
      const distance = Math.hypot(ship.x - gem.x, ship.y - gem.y) || 1;
      if (ship.alive && distance < reach && gem.age > 0.25) {
        const pull = 620 * (1.2 - distance / reach);
        gem.vx = damp(gem.vx, ((ship.x - gem.x) / distance) * pull, 12, dt);
        gem.vy = damp(gem.vy, ((ship.y - gem.y) / distance) * pull, 12, dt);
      } else {
        gem.vx = damp(gem.vx, 0, 2, dt);
        gem.vy = damp(gem.vy, 105, 2, dt);
      }
      gem.x += gem.vx * dt;
      gem.y += gem.vy * dt;
      if (!ship.alive || distance > 26 || gem.age < 0.2) return gem.y < view.height + 20;
      this.takeGem(gem);
      return false;
    });
    this.powerUps = this.powerUps.filter((power) => {
      power.age += dt;
      power.y += 85 * dt;
      power.x = clamp(power.x + Math.sin(power.age * 2.4) * 40 * dt, 24, view.width - 24);
      if (!ship.alive || !touches(power.x, power.y, ship.x, ship.y, 40)) return power.y < view.height + 30;
      this.takePowerUp(power);
      return false;
    });
  }

  private takeGem(gem: Gem): void {
    this.particles.sparkle(gem.x, gem.y, '#7de8ff');
    if (this.phase !== 'playing') return;
    const before = this.multiplier;
    this.gemsHeld++;
    this.score += 10 * this.multiplier;
    const charge = Math.min(1, this.novaCharge + config.gems.novaCharge);
    if (charge === 1 && this.novaCharge < 1) this.sound.powerUp();
    this.novaCharge = charge;
    this.sound.gem(this.gemStreak++);
    if (this.multiplier > before) this.float(`×${this.multiplier}`, gem.x, gem.y - 30, '#7de8ff', 26);
  }

  private takePowerUp(power: PowerUp): void {
    const { player } = config;
    if (power.kind === 'weapon') this.weapon = Math.min(player.maxWeapon, this.weapon + 1);
    else this.lives = Math.min(player.maxLives, this.lives + 1);
    const label = power.kind === 'weapon' ? 'FIREPOWER' : 'REPAIRED';
    this.float(label, power.x, power.y - 26, '#ffd166', 18);
    this.particles.ring(power.x, power.y, '#ffd166', 90, 0.5);
    this.sound.powerUp();
  }

  private float(text: string, x: number, y: number, color: string, size: number): void {
    this.floaters.push({ text, x, y, color, size, age: 0 });
  }
}
