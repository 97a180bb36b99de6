import * as THREE from 'three';
import type { Sound } from './audio';
import { bend } from './bend';
import config from './config.json';
import { Course, type Thing } from './course';
import type { Input } from './input';
import { Particles } from './particles';
import { Ship } from './ship';
import { loadBest, saveBest } from './storage';
import { theme, themeName, updateTheme } from './theme';
import type { Ui } from './ui';
import { World } from './world';

type Phase = 'title' | 'playing' | 'over';

const FLOAT = 0.75;
const GOLD = new THREE.Color(0xffc35a);
const FIRE = new THREE.Color(0xff8a4d);
const AQUA = new THREE.Color(0x7df0e4);

const damp = THREE.MathUtils.damp;

/** The rules, and the camera. */
export class Game {
  readonly scene = new THREE.Scene();
  readonly camera = new THREE.PerspectiveCamera(62, 1, 0.1, 600);

  private readonly world: World;
  private readonly course: Course;
  private readonly ship: Ship;
  private readonly particles: Particles;
  private phase: Phase = 'title';
  private phaseAge = 0;
  private paused = false;
  private time = 0;
  private speed = config.startSpeed;
  private distance = 0;
  private score = 0;
  private best = loadBest();
  private shards = 0;
  private streak = 0;
  private charge = 0;
  private shield = false;
  private safe = 0;
  private x = 0;
  private y = FLOAT;
  private vx = 0;
  private vy = 0;
  private dragTarget: number | undefined;
  private sinceJumpPress = 9;
  private shake = 0;
  private fieldOfView = 62;
  /** How far the camera follows the ship sideways: all the way on narrow screens. */
  private follow = 0.62;
  private place = '';

  constructor(
    private readonly input: Input,
    private readonly sound: Sound,
    private readonly ui: Ui,
  ) {
    this.world = new World(this.scene);
    this.course = new Course(this.scene);
    this.ship = new Ship(this.scene);
    this.particles = new Particles(this.scene);
    this.course.reset(60);
    this.showTitle();
  }

  get playing(): boolean {
    return this.phase === 'playing' && !this.paused;
  }

  resize(width: number, height: number, pixelHeight: number): void {
    const aspect = width / height;
    // On tall screens the view gets taller, so that the whole track stays visible.
    const wide = THREE.MathUtils.degToRad(58);
    const tall = THREE.MathUtils.radToDeg(2 * Math.atan(Math.tan(wide / 2) / aspect));
    this.fieldOfView = Math.min(88, Math.max(60, tall));
    this.follow = aspect < 1 ? 0.88 : 0.62;
    this.camera.aspect = aspect;
    this.camera.fov = this.fieldOfView;
    this.camera.updateProjectionMatrix();
    this.particles.setPixels(pixelHeight, this.fieldOfView);
  }

  confirm(): void {
    if (this.paused) this.setPaused(false);
    else if (this.phase === 'title' || (this.phase === 'over' && this.phaseAge > 0.9)) this.start();
  }

  togglePause(): void {
    this.setPaused(!this.paused);
  }

  setPaused(paused: boolean): void {
    if (paused === this.paused || this.phase !== 'playing') return;
    this.paused = paused;
    this.sound.setSuspended(paused);
    if (paused)
      this.ui.showScreen('Paused', 'P pauses · M mutes', this.input.touch ? 'Tap to go on' : 'Press space');
    else this.ui.hideScreen();
    this.input.takeJump();
    this.input.takeDrag();
  }

  update(frameTime: number): void {
    if (this.paused) return;
    this.phaseAge += frameTime;
    // A crash is seen in slow motion.
    const slow = this.phase === 'over' ? Math.max(0.12, 1 - this.phaseAge * 1.3) : 1;
    const dt = frameTime * slow;
    this.time += dt;
    this.safe = Math.max(0, this.safe - dt);

    const progress = Math.min(1, this.distance / config.metersToTopSpeed);
    const wanted =
      this.phase === 'title' ? 22 : THREE.MathUtils.lerp(config.startSpeed, config.topSpeed, progress);
    this.speed = damp(this.speed, this.phase === 'over' ? 6 : wanted, 1.6, dt);
    const moved = this.speed * dt;
    this.distance += moved;

    this.steer(dt);
    this.course.update(dt, this.distance);
    if (this.phase === 'playing') {
      this.score += moved * 0.5 * this.multiplier;
      for (const thing of this.course.things) this.meet(thing, moved);
    }
    this.trail(dt);
    this.particles.update(dt, moved * 0.5);
    bend.uBendSide.value = Math.sin(this.distance * 0.0031) * 0.0009;
    bend.uBendDown.value = 0.00036 + Math.sin(this.distance * 0.0017) * 0.00014;
    updateTheme(this.distance);
    this.ship.update(dt, {
      x: this.x,
      y: this.y,
      vx: this.vx,
      vy: this.vy,
      shield: this.shield,
      safe: this.safe,
    });
    this.moveCamera(frameTime);
    this.world.update(moved, this.camera.position.x);
    this.sound.update(progress);
    this.showStatus();
  }

  private get multiplier(): number {
    return Math.min(config.maxMultiplier, 1 + Math.floor(this.streak / config.shardsPerMultiplier));
  }

  private showTitle(): void {
    const help = 'Steer: arrows, A and D, or drag. Jump: space, tap or swipe up.\nShards charge your shield.';
    this.ui.showScreen('Solar Drift', help, 'Press space or tap to start');
  }

  private start(): void {
    this.phase = 'playing';
    this.phaseAge = 0;
    this.distance = 0;
    this.speed = config.startSpeed;
    this.score = 0;
    this.shards = 0;
    this.streak = 0;
    this.charge = 0;
    this.shield = true;
    this.safe = 0;
    this.x = 0;
    this.vx = 0;
    this.vy = 0;
    this.y = FLOAT;
    this.dragTarget = undefined;
    this.place = themeName(0);
    this.course.reset(110);
    this.ship.setVisible(true);
    this.ui.hideScreen();
    this.ui.showHud(true);
    this.sound.start();
    this.sound.setMusic(true);
    // The key that starts the game should not jump as well.
    this.input.takeJump();
    this.sinceJumpPress = 9;
  }

  private steer(dt: number): void {
    const { input } = this;
    const drag = input.takeDrag();
    const jump = input.takeJump();
    const before = this.x;
    if (this.phase === 'title') {
      this.x = this.autopilot(dt);
      this.vx = damp(this.vx, (this.x - before) / Math.max(dt, 0.001), 10, dt);
      return;
    }
    if (this.phase === 'over') return;

    if (input.direction !== 0) this.dragTarget = undefined;
    if (drag !== 0) {
      // A drag over a third of the screen crosses the track.
      const perPixel = (config.halfWidth * 2) / Math.max(150, Math.min(420, window.innerWidth * 0.45));
      const from = this.dragTarget ?? this.x;
      this.dragTarget = THREE.MathUtils.clamp(from + drag * perPixel, -config.halfWidth, config.halfWidth);
    }
    if (this.dragTarget === undefined) {
      this.vx = damp(this.vx, input.direction * config.steerSpeed, 11, dt);
      this.x += this.vx * dt;
    } else {
      this.x = damp(this.x, this.dragTarget, 16, dt);
      this.vx = damp(this.vx, (this.x - before) / Math.max(dt, 0.001), 14, dt);
    }
    this.x = THREE.MathUtils.clamp(this.x, -config.halfWidth, config.halfWidth);

    // A jump pressed slightly too early still counts.
    this.sinceJumpPress = jump ? 0 : this.sinceJumpPress + dt;
    if (this.y <= FLOAT && this.sinceJumpPress < 0.15) {
      this.vy = config.jumpSpeed;
      this.sinceJumpPress = 9;
      this.sound.jump();
      this.particles.spray({
        x: this.x,
        y: 0.3,
        z: 0.8,
        color: theme.line,
        count: 14,
        speed: 6,
        size: 0.4,
        life: 0.4,
      });
    }
    this.vy -= config.gravity * dt;
    this.y += this.vy * dt;
    if (this.y < FLOAT) {
      if (this.vy < -7) {
        this.shake = Math.max(this.shake, 0.18);
        this.particles.spray({
          x: this.x,
          y: 0.2,
          z: 0,
          color: theme.line,
          count: 10,
          speed: 6,
          size: 0.35,
          life: 0.35,
        });
      }
      this.y = FLOAT;
      this.vy = 0;
    }
  }

  /** On the title screen the glider looks for its own way. */
  private autopilot(dt: number): number {
    const threats = this.course.things.filter((thing) => {
      const z = this.distance - thing.at;
      return thing.kind !== 'shard' && thing.kind !== 'gate' && z > -34 && z < 2;
    });
    let bestX = this.x;
    let bestCost = Number.POSITIVE_INFINITY;
    for (let x = -7; x <= 7; x += 0.5) {
      let cost = Math.abs(x - this.x) * 0.16 + Math.abs(x) * 0.05;
      for (const thing of threats) cost += Math.max(0, 3 - Math.abs(thing.x - x)) * 3;
      if (cost < bestCost) {
        bestCost = cost;
        bestX = x;
      }
    }
    const low = threats.some((thing) => thing.kind === 'barrier' && Math.abs(thing.x - this.x) < 2.4);
    this.y = damp(this.y, low ? 2.6 : FLOAT, 6, dt);
    return damp(this.x, bestX, 3.2, dt);
  }

  private meet(thing: Thing, moved: number): void {
    const z = this.distance - thing.at;
    const dx = Math.abs(thing.x - this.x);
    if (thing.used) return;
    if (thing.kind === 'shard') {
      const close = z > -1.6 - moved && z < 1.8 && dx < 1.75 && Math.abs(thing.y - this.y - 0.2) < 1.7;
      if (close) this.takeShard(thing);
      return;
    }
    if (z < 0 - moved * 0.5 || z > 1.4 + moved) return;
    if (thing.kind === 'gate') {
      thing.used = true;
      if (dx < 2.3) this.passGate(thing);
      return;
    }
    if (thing.kind === 'barrier') {
      const overlaps = dx < 2.3 && this.y < 1.35;
      if (overlaps) this.hit(thing);
      return;
    }
    if (dx < 1.55) {
      this.hit(thing);
    } else if (dx < 2.7 && z > 0.7) {
      thing.used = true;
      this.score += config.nearMissScore * this.multiplier;
      this.sound.nearMiss();
      this.ui.toast(`Close! +${config.nearMissScore * this.multiplier}`);
    }
  }

  private takeShard(thing: Thing): void {
    thing.used = true;
    this.shards++;
    this.streak++;
    const before = this.charge;
    this.score += config.shardScore * this.multiplier;
    this.charge = Math.min(1, this.charge + 1 / config.shardsPerShield);
    this.sound.shard(this.streak);
    this.particles.spray({
      x: thing.x,
      y: thing.y,
      z: -0.5,
      color: GOLD,
      count: 9,
      speed: 6,
      size: 0.42,
      life: 0.4,
    });
    if (this.charge >= 0.999 && before < 0.999 && !this.shield) {
      this.shield = true;
      this.charge = 0;
      this.sound.shield();
      this.ui.toast('Shield up');
      this.particles.spray({
        x: this.x,
        y: this.y,
        z: 0,
        color: AQUA,
        count: 40,
        speed: 9,
        size: 0.4,
        life: 0.6,
      });
    }
  }

  private passGate(thing: Thing): void {
    const points = config.gateScore * this.multiplier;
    this.score += points;
    this.sound.gate();
    this.ui.toast(`Gate +${points}`);
    for (let i = 0; i < 24; i++) {
      const turn = (i / 24) * Math.PI * 2;
      const x = thing.x + Math.cos(turn) * 2.7;
      const y = thing.y + Math.sin(turn) * 2.7;
      this.particles.spray({ x, y, z: -1, color: theme.sun, count: 2, speed: 3, size: 0.5, life: 0.6 });
    }
  }

  private hit(thing: Thing): void {
    if (this.safe > 0) return;
    thing.used = true;
    this.streak = 0;
    this.shake = 1;
    const { x, y } = this;
    if (this.shield) {
      this.shield = false;
      this.charge = 0;
      this.safe = config.safeSecondsAfterHit;
      this.speed *= 0.55;
      thing.mesh.visible = false;
      this.sound.breakShield();
      this.ui.flash(0.4);
      this.ui.toast('Shield lost');
      this.particles.spray({ x, y, z: -1, color: AQUA, count: 50, speed: 13, size: 0.45, life: 0.7 });
      this.particles.spray({
        x: thing.x,
        y: 1.5,
        z: -1,
        color: theme.crystal,
        count: 50,
        speed: 11,
        size: 0.6,
        life: 0.8,
      });
      return;
    }
    this.phase = 'over';
    this.phaseAge = 0;
    this.ship.setVisible(false);
    this.ui.flash(0.75);
    this.particles.spray({ x, y, z: 0, color: FIRE, count: 110, speed: 13, size: 0.75, life: 1, vy: 3 });
    this.particles.spray({ x, y, z: 0, color: GOLD, count: 60, speed: 18, size: 0.35, life: 0.8, vy: 3 });
    this.sound.setMusic(false);
    this.sound.crash();
    const score = Math.floor(this.score);
    const record = score > this.best;
    this.best = Math.max(this.best, score);
    saveBest(this.best);
    const line = record ? 'New best!' : `Best ${this.best.toLocaleString('en')}`;
    const flown = `${Math.floor(this.distance)} m · ${this.shards} shards`;
    const text = `Score ${score.toLocaleString('en')} · ${line}\n${flown}`;
    this.ui.showScreen(
      record ? 'New best' : 'Shattered',
      text,
      this.input.touch ? 'Tap to fly again' : 'Press space to fly again',
    );
  }

  /** Sparks from the engines and streaks of dust along the track. */
  private trail(dt: number): void {
    if (this.phase !== 'over') {
      for (const side of [-0.42, 0.42]) {
        if (Math.random() > dt * 60) continue;
        const x = this.x + side;
        this.particles.spray({
          x,
          y: this.y + 0.1,
          z: 1.5,
          color: FIRE,
          count: 1,
          speed: 0.6,
          size: 0.42,
          life: 0.32,
          vz: 7,
        });
      }
    }
    if (Math.random() < dt * this.speed * 0.5) {
      const x = (Math.random() - 0.5) * 30;
      const y = 0.4 + Math.random() * 7;
      const vz = this.speed * 0.8;
      this.particles.spray({
        x,
        y,
        z: -50,
        color: theme.sun,
        count: 1,
        speed: 0.4,
        size: 0.2,
        life: 1.4,
        vz,
        vy: 2,
      });
    }
  }

  private moveCamera(dt: number): void {
    const { camera } = this;
    this.shake = Math.max(0, this.shake - dt * 1.7);
    const strength = this.shake * this.shake * 0.55;
    const rush = (this.speed - config.startSpeed) / (config.topSpeed - config.startSpeed);
    const x = damp(camera.position.x, this.x * this.follow, 7, dt);
    const y = 4.1 + (this.y - FLOAT) * 0.28;
    camera.position.set(x, y, 9.2 - rush * 0.8);
    camera.lookAt(this.x * (this.follow - 0.12), 1.5 + (this.y - FLOAT) * 0.2, -9);
    camera.rotation.z += -this.vx * 0.0035 + (Math.random() - 0.5) * strength * 0.12;
    camera.position.x += (Math.random() - 0.5) * strength;
    camera.position.y += (Math.random() - 0.5) * strength;
    // Speed widens the view.
    camera.fov = this.fieldOfView + Math.max(0, rush) * 9;
    camera.updateProjectionMatrix();
  }

  private showStatus(): void {
    const place = themeName(this.distance);
    if (this.phase === 'playing' && place !== this.place) {
      this.place = place;
      this.ui.toast(place);
      this.sound.gate();
    }
    if (this.phase === 'title') return;
    const { score, distance, multiplier, charge, shield } = this;
    this.ui.update({ score, meters: distance, place, multiplier, charge, shield });
  }
}
