import Phaser from 'phaser';
import { DETAIL } from './art';
import type { Sound } from './audio';
import config from './config.json';
import type { Controls } from './controls';

const WIDTH = 26;
const HEIGHT = 38;

/**
 * Wick, a small flame. What collides is an invisible box; the pictures follow it, so that they can
 * squash and stretch without changing how the game plays.
 */
export class Player {
  readonly box: Phaser.GameObjects.Zone;
  readonly body: Phaser.Physics.Arcade.Body;
  /** Seconds left in which nothing can hurt the player. */
  safe = 0;
  alive = true;

  private readonly flame: Phaser.GameObjects.Image;
  private readonly eyes: Phaser.GameObjects.Image;
  private readonly glow: Phaser.GameObjects.Image;
  private readonly trail: Phaser.GameObjects.Particles.ParticleEmitter;
  private readonly dust: Phaser.GameObjects.Particles.ParticleEmitter;
  private facing = 1;
  private look = 0;
  private stretch = 0;
  private sinceGround = 0;
  private sinceJumpPress = 9;
  private canDoubleJump = true;
  private wasOnGround = true;
  private fallSpeed = 0;
  private time = 0;

  constructor(
    scene: Phaser.Scene,
    x: number,
    y: number,
    private readonly controls: Controls,
    private readonly sound: Sound,
  ) {
    this.glow = scene.add.image(x, y, 'glow-amber').setBlendMode(Phaser.BlendModes.ADD).setDepth(19);
    this.trail = scene.add.particles(0, 0, 'dot-ember', {
      lifespan: { min: 260, max: 520 },
      speedY: { min: -70, max: -20 },
      speedX: { min: -14, max: 14 },
      scale: { start: 0.42, end: 0 },
      alpha: { start: 0.8, end: 0 },
      blendMode: Phaser.BlendModes.ADD,
      frequency: 34,
    });
    this.trail.setDepth(20);
    this.dust = scene.add.particles(0, 0, 'dust', {
      lifespan: { min: 220, max: 420 },
      speedX: { min: -90, max: 90 },
      speedY: { min: -50, max: -5 },
      scale: { start: 0.55, end: 0.1 },
      alpha: { start: 0.7, end: 0 },
      emitting: false,
    });
    this.dust.setDepth(20);
    this.flame = scene.add.image(x, y, 'hero').setOrigin(0.5, 1).setDepth(21);
    this.eyes = scene.add.image(x, y, 'eyes').setDepth(22);
    this.box = scene.add.zone(x, y, WIDTH, HEIGHT);
    scene.physics.add.existing(this.box);
    this.body = this.box.body as Phaser.Physics.Arcade.Body;
    this.body.setGravityY(config.player.gravity);
    this.body.setMaxVelocityY(config.player.springSpeed);
  }

  get x(): number {
    return this.box.x;
  }

  get y(): number {
    return this.box.y;
  }

  get feet(): number {
    return this.body.bottom;
  }

  update(dt: number): void {
    this.time += dt;
    this.safe = Math.max(0, this.safe - dt);
    if (this.alive) this.move(dt);
    this.animate(dt);
  }

  /** After a stomp or on a spring. */
  bounce(speed: number): void {
    this.body.setVelocityY(-speed);
    this.canDoubleJump = true;
    this.stretch = 0.45;
    this.sinceGround = 1;
  }

  knockBack(fromX: number): void {
    const { body } = this;
    body.setVelocity(this.x < fromX ? -260 : 260, -360);
    this.safe = config.player.safeSecondsAfterHit;
    this.stretch = -0.4;
  }

  place(x: number, y: number): void {
    this.body.reset(x, y);
    this.safe = config.player.safeSecondsAfterHit;
    this.alive = true;
    this.setVisible(true);
  }

  /** Goes out like a candle; the scene decides what comes next. */
  die(): void {
    this.alive = false;
    this.body.setVelocity(0, 0);
    this.body.enable = false;
    this.setVisible(false);
  }

  revive(x: number, y: number): void {
    this.body.enable = true;
    this.place(x, y);
  }

  setVisible(visible: boolean): void {
    for (const part of [this.flame, this.eyes, this.glow]) part.setVisible(visible);
    this.trail.emitting = visible;
  }

  private move(dt: number): void {
    const { body, controls } = this;
    const rules = config.player;
    const onGround = body.blocked.down || body.touching.down;
    this.sinceGround = onGround ? 0 : this.sinceGround + dt;
    if (onGround) this.canDoubleJump = true;

    const direction = controls.direction;
    if (direction !== 0) this.facing = direction;
    const wanted = direction * rules.runSpeed;
    const step = (onGround ? rules.groundAcceleration : rules.airAcceleration) * dt;
    const change = Phaser.Math.Clamp(wanted - body.velocity.x, -step, step);
    body.setVelocityX(body.velocity.x + change);

    // A jump counts when pressed slightly before landing or slightly after leaving an edge.
    this.sinceJumpPress = controls.takeJump() ? 0 : this.sinceJumpPress + dt;
    if (this.sinceJumpPress < rules.jumpBufferSeconds) {
      if (this.sinceGround < rules.coyoteSeconds) this.jump(rules.jumpSpeed, true);
      else if (this.canDoubleJump) this.jump(rules.doubleJumpSpeed, false);
    }
    // Letting go early makes the jump lower.
    if (!controls.jumpHeld && body.velocity.y < -260 && body.velocity.y > -rules.jumpSpeed) {
      body.setVelocityY(body.velocity.y + 2600 * dt);
    }
    if (body.velocity.y > rules.maxFallSpeed) body.setVelocityY(rules.maxFallSpeed);

    if (onGround && !this.wasOnGround && this.fallSpeed > 160) {
      this.stretch = -Math.min(0.45, this.fallSpeed / 1500);
      this.dust.emitParticleAt(this.x, this.feet - 2, 7);
      this.sound.land();
    }
    if (onGround && Math.abs(body.velocity.x) > 200 && Math.random() < dt * 14) {
      this.dust.emitParticleAt(this.x - this.facing * 8, this.feet - 2, 1);
    }
    this.wasOnGround = onGround;
    this.fallSpeed = body.velocity.y;
  }

  private jump(speed: number, fromGround: boolean): void {
    this.body.setVelocityY(-speed);
    this.sinceJumpPress = 9;
    this.sinceGround = 1;
    this.stretch = 0.38;
    if (!fromGround) this.canDoubleJump = false;
    this.dust.emitParticleAt(this.x, this.feet - 2, fromGround ? 5 : 10);
    this.sound.jump(!fromGround);
  }

  private animate(dt: number): void {
    const { x, feet, body } = this;
    this.stretch *= Math.exp(-9 * dt);
    this.look = Phaser.Math.Linear(this.look, this.facing, 1 - Math.exp(-14 * dt));
    const run = Math.min(1, Math.abs(body.velocity.x) / 250);
    const flicker = Math.sin(this.time * 17) * 0.035 + Math.sin(this.time * 29) * 0.02;
    const bob = this.wasOnGround ? Math.abs(Math.sin(this.time * 13)) * run * 0.09 : 0;
    const tall = 1 + this.stretch + flicker + bob;
    const wide = 1 - this.stretch * 0.7 - flicker - bob * 0.6;
    const blink = this.safe > 0 && Math.sin(this.time * 40) > 0 ? 0.3 : 1;
    this.flame.setPosition(x, feet + 3).setScale((wide / DETAIL) * 0.96, (tall / DETAIL) * 0.96);
    this.flame.setRotation(Phaser.Math.Clamp(-body.velocity.x * 0.0007, -0.25, 0.25)).setAlpha(blink);
    this.eyes.setPosition(x + this.look * 5, feet - 15 * tall).setAlpha(blink);
    const shut = this.time % 3.4 < 0.12 ? 0.15 : 1;
    this.eyes.setScale(wide / DETAIL, (tall * shut) / DETAIL);
    this.glow
      .setPosition(x, feet - 20)
      .setScale(1.6 + flicker * 3)
      .setAlpha(0.62);
    this.trail.setPosition(x, feet - 26);
  }
}
