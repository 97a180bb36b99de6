import Phaser from 'phaser';
import { DETAIL } from './art';
import type { Sound } from './audio';
import { Backdrop } from './backdrop';
import config from './config.json';
import type { Controls } from './controls';
import { type Creature, Creep, Moth } from './creatures';
import { type LevelMap, levelCount, readLevel, type Spot, TILE } from './levelMap';
import { Player } from './player';
import type { Run } from './run';
import { saveBest } from './storage';
import { buildTerrain } from './terrain';
import type { Status } from './ui';

type Color = 'amber' | 'ember' | 'rose' | 'mint' | 'violet';

interface Item {
  kind: 'ember' | 'heart';
  image: Phaser.GameObjects.Image;
  glow: Phaser.GameObjects.Image;
  x: number;
  y: number;
}

interface Prop {
  image: Phaser.GameObjects.Image;
  x: number;
  y: number;
}

interface Plank {
  image: Phaser.GameObjects.Image;
  body: Phaser.Physics.Arcade.Body;
  homeX: number;
}

const PLANK_REACH = 62;
const PLANK_SPEED = 62;

/** One level: builds it from its map and applies the rules. */
export class Level {
  private readonly map: LevelMap;
  private readonly backdrop: Backdrop;
  private readonly player: Player;
  private readonly sparks = new Map<Color, Phaser.GameObjects.Particles.ParticleEmitter>();
  private readonly creatures: Creature[] = [];
  private items: Item[] = [];
  private readonly lanterns: (Prop & { lit: boolean })[] = [];
  private readonly springs: Prop[] = [];
  private readonly planks: Plank[] = [];
  private readonly thorns: Spot[] = [];
  private goal = { x: Number.POSITIVE_INFINITY, y: 0 };
  private spawn = { x: 100, y: 100 };
  private readonly emberTotal: number;
  private embers = 0;
  private streak = 0;
  private lastEmberAt = -9;
  private combo = 0;
  private time = 0;
  private respawnIn = 0;
  private bonus = 0;
  private focusX = 0;
  private ahead = 0;

  constructor(
    private readonly scene: Phaser.Scene,
    private readonly run: Run,
    controls: Controls,
    private readonly sound: Sound,
  ) {
    this.map = readLevel(run.stage);
    this.backdrop = new Backdrop(scene);
    buildTerrain(scene, this.map);
    for (const color of ['amber', 'ember', 'rose', 'mint', 'violet'] as const) this.addSparks(color);
    for (const spot of this.map.spots) this.addSpot(spot);
    this.emberTotal = this.items.filter((item) => item.kind === 'ember').length;

    this.player = new Player(scene, this.spawn.x, this.spawn.y, controls, sound);
    this.focusX = this.spawn.x;
    if (run.phase === 'title') this.player.die();
    this.addCollisions();
    this.addFireflies();
  }

  status(): Status {
    const { run } = this;
    return {
      hearts: run.hearts,
      maxHearts: Math.max(run.hearts, config.player.hearts),
      score: run.score,
      embers: this.embers,
      embersInLevel: this.emberTotal,
      level: `${run.stage + 1} · ${this.map.name}`,
    };
  }

  summary(): string {
    return `Embers ${this.embers} of ${this.emberTotal} · Time bonus ${this.bonus.toLocaleString('en')}`;
  }

  update(dt: number): void {
    this.time += dt;
    this.player.update(dt);
    for (const creature of this.creatures) creature.update(dt);
    this.movePlanks();
    this.floatItems();
    if (this.run.phase === 'playing') {
      this.takeItems();
      this.touchProps();
      this.touchCreatures();
      this.checkFall(dt);
      this.checkGoal();
    }
    this.moveCamera(dt);
  }

  /** Puts the camera where it belongs at once, without gliding there. */
  placeCamera(): void {
    this.focusX = this.spawn.x + 160;
    this.moveCamera(0);
  }

  private addSpot(spot: Spot): void {
    const { scene } = this;
    const floor = (spot.row + 1) * TILE;
    const pace = 1 + Math.floor(this.run.stage / levelCount) * config.creatures.speedUpPerRound;
    const stand = (texture: string, depth: number) =>
      scene.add
        .image(spot.x, floor + 2, texture)
        .setOrigin(0.5, 1)
        .setScale(1 / DETAIL)
        .setDepth(depth);
    switch (spot.kind) {
      case 'P':
        this.spawn = { x: spot.x, y: floor - 20 };
        break;
      case 'D':
        this.goal = { x: spot.x, y: floor };
        stand('kiln', 8);
        this.addGlow(spot.x, floor - 36, 'glow-amber', 3.2, 9);
        this.addSmoke(spot.x + 34, floor - 136);
        break;
      case 'o':
        this.addItem('ember', spot);
        break;
      case 'h':
        this.addItem('heart', spot);
        break;
      case 's':
        this.creatures.push(new Creep(scene, spot, this.map, pace));
        break;
      case 'f':
        this.creatures.push(new Moth(scene, spot, pace));
        break;
      case '^':
        this.thorns.push(spot);
        stand('thorns', 9);
        break;
      case 'j':
        this.springs.push({ image: stand('mushroom', 12), x: spot.x, y: floor });
        this.addGlow(spot.x, floor - 20, 'glow-mint', 1.1, 8);
        break;
      case 'C':
        this.lanterns.push({ image: stand('lantern', 9), x: spot.x, y: floor, lit: false });
        break;
      case 'm':
        this.addPlank(spot);
        break;
    }
  }

  private addItem(kind: Item['kind'], spot: Spot): void {
    const glow = this.addGlow(spot.x, spot.y, kind === 'ember' ? 'glow-amber' : 'glow-rose', 0.75, 16);
    const image = this.scene.add
      .image(spot.x, spot.y, kind)
      .setScale(1 / DETAIL)
      .setDepth(17);
    this.items.push({ kind, image, glow, x: spot.x, y: spot.y });
  }

  private addPlank(spot: Spot): void {
    const image = this.scene.physics.add.image(spot.x, spot.y, 'plank').setScale(1 / DETAIL);
    image.setDepth(12);
    const { body } = image;
    body.setAllowGravity(false).setImmovable(true);
    body.checkCollision.down = false;
    body.checkCollision.left = false;
    body.checkCollision.right = false;
    body.setVelocityX(PLANK_SPEED);
    this.planks.push({ image, body, homeX: spot.x });
  }

  private addGlow(
    x: number,
    y: number,
    texture: string,
    scale: number,
    depth: number,
  ): Phaser.GameObjects.Image {
    const glow = this.scene.add.image(x, y, texture).setScale(scale).setDepth(depth).setAlpha(0.55);
    return glow.setBlendMode(Phaser.BlendModes.ADD);
  }

  private addSmoke(x: number, y: number): void {
    const smoke = this.scene.add.particles(x, y, 'dust', {
      lifespan: 2600,
      speedY: { min: -42, max: -26 },
      speedX: { min: -4, max: 16 },
      scale: { start: 0.6, end: 2.6 },
      alpha: { start: 0.5, end: 0 },
      frequency: 170,
    });
    smoke.setDepth(7);
  }

  private addSparks(color: Color): void {
    const emitter = this.scene.add.particles(0, 0, `dot-${color}`, {
      lifespan: { min: 260, max: 640 },
      speed: { min: 40, max: 260 },
      gravityY: 320,
      scale: { start: 0.62, end: 0 },
      blendMode: Phaser.BlendModes.ADD,
      emitting: false,
    });
    this.sparks.set(color, emitter.setDepth(24));
  }

  private addFireflies(): void {
    const area = new Phaser.Geom.Rectangle(0, 120, this.map.width, 380);
    const flies = this.scene.add.particles(0, 0, 'dot-amber', {
      emitZone: {
        type: 'random',
        source: area,
        quantity: 1,
      } as Phaser.Types.GameObjects.Particles.EmitZoneData,
      lifespan: 4200,
      speedX: { min: -16, max: 16 },
      speedY: { min: -16, max: 6 },
      scale: { min: 0.14, max: 0.36 },
      alpha: { onUpdate: (_particle, _key, t) => Math.sin(t * Math.PI) * 0.85 },
      blendMode: Phaser.BlendModes.ADD,
      frequency: 42,
      advance: 4000,
    });
    flies.setDepth(23);
  }

  /** Collisions use an invisible tilemap: Phaser leaves out the edges between tiles, so nothing catches. */
  private addCollisions(): void {
    const { scene, map, player } = this;
    const data = Array.from({ length: map.rows }, (_, row) =>
      Array.from({ length: map.columns }, (_, column) => {
        if (map.isGround(column, row)) return 0;
        return map.isPlatform(column, row) ? 1 : -1;
      }),
    );
    if (!scene.textures.exists('tiles')) scene.textures.createCanvas('tiles', TILE * 2, TILE);
    const tilemap = scene.make.tilemap({ data, tileWidth: TILE, tileHeight: TILE });
    const tiles = tilemap.addTilesetImage('tiles');
    const layer = tiles && tilemap.createLayer(0, tiles, 0, 0);
    if (layer) {
      layer.setVisible(false).setCollision([0, 1]);
      layer.forEachTile((tile) => {
        if (tile.index === 1) tile.setCollision(false, false, true, false);
      });
      scene.physics.add.collider(player.box, layer);
    }
    for (const plank of this.planks) scene.physics.add.collider(player.box, plank.image);
    // The sides are walls; the top is open, and so is the bottom.
    scene.physics.world.setBounds(0, -800, map.width, map.height + 2400, true, true, false, false);
    player.body.setCollideWorldBounds(true);
  }

  private movePlanks(): void {
    for (const { body, image, homeX } of this.planks) {
      if (image.x > homeX + PLANK_REACH) body.setVelocityX(-PLANK_SPEED);
      if (image.x < homeX - PLANK_REACH) body.setVelocityX(PLANK_SPEED);
    }
  }

  private floatItems(): void {
    for (const { image, glow, x, y } of this.items) {
      const lift = Math.sin(this.time * 3 + x * 0.02) * 4;
      image.setPosition(x, y + lift).setScale((1 + Math.sin(this.time * 5 + x) * 0.06) / DETAIL);
      glow.setPosition(x, y + lift);
    }
  }

  private near(x: number, y: number, width: number, height: number): boolean {
    return Math.abs(this.player.x - x) < width && Math.abs(this.player.y - y) < height;
  }

  private takeItems(): void {
    if (!this.player.alive) return;
    this.items = this.items.filter((item) => {
      if (!this.near(item.image.x, item.image.y, 27, 33)) return true;
      item.glow.destroy();
      item.image.destroy();
      if (item.kind === 'ember') {
        this.embers++;
        this.streak = this.time - this.lastEmberAt < 1.2 ? this.streak + 1 : 0;
        this.lastEmberAt = this.time;
        this.addScore(config.score.ember, item.x, item.y, '#ffd166');
        this.sound.ember(this.streak);
        this.burst('amber', item.x, item.y, 12);
      } else {
        this.run.hearts = Math.min(config.player.maxHearts, this.run.hearts + 1);
        this.sound.checkpoint();
        this.burst('rose', item.x, item.y, 24);
      }
      return false;
    });
  }

  private touchProps(): void {
    const { player } = this;
    if (!player.alive) return;
    for (const spring of this.springs) {
      if (player.body.velocity.y < 0 || !this.near(spring.x, spring.y - 34, 34, 26)) continue;
      player.bounce(config.player.springSpeed);
      this.sound.spring();
      this.burst('mint', spring.x, spring.y - 30, 14);
      spring.image.setScale(1.2 / DETAIL, 0.55 / DETAIL);
      this.scene.tweens.add({
        targets: spring.image,
        scaleX: 1 / DETAIL,
        scaleY: 1 / DETAIL,
        duration: 520,
        ease: 'elastic.out',
      });
    }
    for (const lantern of this.lanterns) {
      if (lantern.lit || !this.near(lantern.x, lantern.y - 30, 32, 70)) continue;
      lantern.lit = true;
      lantern.image.setTexture('lantern-lit');
      this.spawn = { x: lantern.x, y: lantern.y - 24 };
      this.addGlow(lantern.x + 9, lantern.y - 56, 'glow-amber', 1.9, 13);
      this.burst('amber', lantern.x + 9, lantern.y - 56, 22);
      this.float('Checkpoint', lantern.x, lantern.y - 96, '#fff1d6');
      this.sound.checkpoint();
    }
    for (const thorn of this.thorns) {
      if (player.safe <= 0 && this.near(thorn.x, thorn.y + 6, 26, 30)) this.hurt(thorn.x);
    }
  }

  private touchCreatures(): void {
    const { player } = this;
    if (player.body.blocked.down || player.body.touching.down) this.combo = 0;
    for (const creature of this.creatures) {
      if (!creature.alive || !player.alive) continue;
      const { width, height } = creature.reach;
      if (!this.near(creature.x, creature.y, (width + 24) / 2, (height + 38) / 2)) continue;
      const above = player.feet < creature.y + 8;
      if (above && player.body.velocity.y > 0) {
        creature.squash(this.scene);
        this.combo++;
        this.addScore(config.score.stomp * this.combo, creature.x, creature.y - 10, '#c9b8ff');
        player.bounce(520);
        this.sound.stomp();
        this.burst(creature.color, creature.x, creature.y, 22);
        this.scene.cameras.main.shake(110, 0.005);
      } else if (player.safe <= 0) {
        this.hurt(creature.x);
      }
    }
  }

  private hurt(fromX: number): void {
    const { player, run, scene } = this;
    run.hearts--;
    this.sound.hurt();
    this.burst('ember', player.x, player.y, 26);
    scene.cameras.main.shake(240, 0.013);
    scene.cameras.main.flash(160, 255, 93, 108);
    if (run.hearts <= 0) this.end();
    else player.knockBack(fromX);
  }

  private checkFall(dt: number): void {
    const { player, run, map } = this;
    if (player.alive && player.y > map.height + 90) {
      run.hearts--;
      this.sound.hurt();
      this.burst('ember', player.x, map.height - 10, 30);
      this.scene.cameras.main.shake(240, 0.012);
      player.die();
      if (run.hearts <= 0) this.end();
      else this.respawnIn = 0.7;
    } else if (!player.alive && this.respawnIn > 0) {
      this.respawnIn -= dt;
      if (this.respawnIn > 0) return;
      player.revive(this.spawn.x, this.spawn.y);
      this.burst('amber', this.spawn.x, this.spawn.y, 26);
      this.sound.spring();
    }
  }

  private end(): void {
    const { player, run } = this;
    this.burst('ember', player.x, player.y, 60);
    this.burst('rose', player.x, player.y, 30);
    player.die();
    run.phase = 'over';
    saveBest(run.score);
    this.sound.gameOver();
  }

  private checkGoal(): void {
    const { run, goal, player } = this;
    if (!player.alive || !this.near(goal.x, goal.y - 40, 36, 60)) return;
    run.phase = 'won';
    const { timeBonusFrom, perSecondLeft, level } = config.score;
    this.bonus = Math.max(0, Math.round(timeBonusFrom - this.time)) * perSecondLeft;
    run.score += level + this.bonus;
    saveBest(run.score);
    player.die();
    this.sound.win();
    this.scene.cameras.main.flash(500, 255, 200, 120);
    for (const [delay, color] of (['amber', 'ember', 'rose', 'amber', 'mint'] as const).entries()) {
      this.scene.time.delayedCall(delay * 170, () => {
        this.burst(color, goal.x + (Math.random() - 0.5) * 160, goal.y - 60 - Math.random() * 130, 40);
      });
    }
  }

  private addScore(points: number, x: number, y: number, color: string): void {
    this.run.score += points;
    this.float(`${points}`, x, y - 16, color);
  }

  private float(text: string, x: number, y: number, color: string): void {
    const label = this.scene.add.text(x, y, text, {
      fontFamily: 'ui-rounded, "Segoe UI", system-ui, sans-serif',
      fontStyle: '800',
      fontSize: '17px',
      color,
      stroke: '#1c1142',
      strokeThickness: 4,
      resolution: Math.min(3, this.scene.cameras.main.zoom),
    });
    label.setOrigin(0.5).setDepth(30);
    this.scene.tweens.add({
      targets: label,
      y: y - 46,
      alpha: { from: 1, to: 0, ease: 'cubic.in' },
      duration: 850,
      ease: 'cubic.out',
      onComplete: () => label.destroy(),
    });
  }

  private burst(color: Color, x: number, y: number, count: number): void {
    this.sparks.get(color)?.emitParticleAt(x, y, count);
  }

  private moveCamera(dt: number): void {
    const { map, player, run } = this;
    const camera = this.scene.cameras.main;
    const halfWidth = camera.width / camera.zoom / 2;
    const height = camera.height / camera.zoom;
    if (run.phase === 'title') {
      // Glides back and forth over the level.
      const t = (1 - Math.cos(this.time * 0.09)) / 2;
      this.focusX = Phaser.Math.Linear(halfWidth, map.width - halfWidth, t);
    } else if (dt > 0 && (player.alive || this.respawnIn > 0)) {
      const wanted = Phaser.Math.Clamp(player.body.velocity.x / 275, -1, 1) * config.camera.lookAhead;
      this.ahead = Phaser.Math.Linear(this.ahead, wanted, 1 - Math.exp(-2.2 * dt));
      const target = (player.alive ? player.x : this.spawn.x) + this.ahead;
      this.focusX = Phaser.Math.Linear(this.focusX, target, 1 - Math.exp(-7 * dt));
    }
    const x =
      map.width > halfWidth * 2
        ? Phaser.Math.Clamp(this.focusX, halfWidth, map.width - halfWidth)
        : map.width / 2;
    // On a tall screen the level sits low, with room for the buttons under it.
    const spare = Math.max(0, height - map.height);
    camera.centerOn(x, map.height / 2 - spare * 0.18);
    this.backdrop.update(map.height);
  }
}
