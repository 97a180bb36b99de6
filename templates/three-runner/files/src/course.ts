import * as THREE from 'three';
import { bent } from './bend';
import config from './config.json';
import patterns from './patterns.json';
import { theme } from './theme';

export type ThingKind = 'crystal' | 'mover' | 'barrier' | 'shard' | 'gate';

/** Something on the track. */
export interface Thing {
  kind: ThingKind;
  mesh: THREE.Object3D;
  /** How far from the start it is. */
  at: number;
  x: number;
  y: number;
  /** Where a mover swings around. */
  homeX: number;
  phase: number;
  used: boolean;
}

const LANES = 5;
const LANE = (config.halfWidth * 2 - 1) / (LANES - 1);
const AHEAD = 250;

const laneX = (lane: number) => (lane - (LANES - 1) / 2) * LANE;

const KINDS: Record<string, ThingKind> = {
  x: 'crystal',
  m: 'mover',
  '-': 'barrier',
  o: 'shard',
  O: 'shard',
  G: 'gate',
};

/** Reads patterns.json and keeps the track ahead filled with it. Meshes are reused. */
export class Course {
  things: Thing[] = [];

  private readonly spare = new Map<ThingKind, THREE.Object3D[]>();
  private filledTo = 0;
  private lastPattern = -1;
  private time = 0;

  private readonly crystalShape = new THREE.OctahedronGeometry(1, 0).scale(1.25, 3, 1.25);
  private readonly smallShape = new THREE.OctahedronGeometry(1, 0).scale(0.55, 1.3, 0.55);
  private readonly shardShape = new THREE.OctahedronGeometry(0.5, 0).scale(0.8, 1.15, 0.8);
  private readonly barrierShape = new THREE.BoxGeometry(LANE * 1.001, 1.05, 0.7);
  private readonly railShape = new THREE.BoxGeometry(LANE * 1.001, 0.14, 0.84);
  private readonly gateShape = new THREE.TorusGeometry(2.7, 0.17, 6, 28);

  private readonly crystalPaint = bent(
    new THREE.MeshStandardMaterial({ flatShading: true, roughness: 0.35 }),
  );
  private readonly moverPaint = bent(new THREE.MeshStandardMaterial({ flatShading: true, roughness: 0.35 }));
  private readonly barrierPaint = bent(new THREE.MeshLambertMaterial());
  private readonly railPaint = bent(new THREE.MeshBasicMaterial());
  private readonly gatePaint = bent(new THREE.MeshBasicMaterial());
  private readonly shardPaint = bent(
    new THREE.MeshStandardMaterial({
      color: 0xffc94d,
      emissive: 0xff8a1f,
      emissiveIntensity: 0.5,
      flatShading: true,
      roughness: 0.3,
    }),
  );

  constructor(private readonly scene: THREE.Scene) {}

  reset(firstAt: number): void {
    for (const thing of this.things) this.putAway(thing);
    this.things = [];
    this.filledTo = firstAt;
  }

  update(dt: number, distance: number): void {
    this.time += dt;
    this.crystalPaint.color.copy(theme.crystal);
    this.crystalPaint.emissive.copy(theme.crystal).multiplyScalar(0.2);
    this.moverPaint.color.copy(theme.line);
    this.moverPaint.emissive.copy(theme.crystal).multiplyScalar(0.45);
    this.barrierPaint.color.copy(theme.ground);
    this.railPaint.color.copy(theme.crystal);
    this.gatePaint.color.copy(theme.sun);

    while (this.filledTo < distance + AHEAD) this.addPattern(distance);
    this.things = this.things.filter((thing) => {
      thing.mesh.position.z = distance - thing.at;
      this.animate(thing);
      if (thing.mesh.position.z < 14 && !(thing.used && thing.kind === 'shard')) return true;
      this.putAway(thing);
      return false;
    });
  }

  private animate(thing: Thing): void {
    const { mesh } = thing;
    if (thing.kind === 'shard') mesh.rotation.y = this.time * 3 + thing.phase;
    if (thing.kind === 'shard') mesh.position.y = thing.y + Math.sin(this.time * 4 + thing.phase) * 0.12;
    if (thing.kind === 'gate') mesh.rotation.z = this.time * 0.8;
    if (thing.kind === 'mover') {
      thing.x = THREE.MathUtils.clamp(thing.homeX + Math.sin(this.time * 1.7 + thing.phase) * 3.4, -7.5, 7.5);
      mesh.position.x = thing.x;
      mesh.rotation.y = this.time * 2.4;
    }
  }

  private addPattern(distance: number): void {
    const choices = patterns
      .map((_, i) => i)
      .filter((i) => patterns[i].from <= distance && i !== this.lastPattern);
    // Later patterns come more often than the easy ones, once they are there.
    const pick = choices[Math.floor(Math.random() ** 0.8 * choices.length)] ?? 0;
    this.lastPattern = pick;
    const { rows, spacing } = patterns[pick];
    const flip = Math.random() < 0.5;
    // With more speed there is more room, so that the time to react shrinks slowly.
    const stretch = 1 + Math.min(1, distance / config.metersToTopSpeed) * 0.55;
    for (const row of rows) {
      const cells = flip ? [...row].reverse() : [...row];
      cells.forEach((cell, lane) => {
        const kind = KINDS[cell];
        if (!kind) return;
        if (kind !== 'shard') {
          this.place(kind, laneX(lane), 0, this.filledTo);
          return;
        }
        // A lane of shards is a short trail; capital O puts it high, over a jump.
        for (let n = -1; n <= 1; n++) {
          const y = cell === 'O' ? 2.9 - Math.abs(n) * 0.5 : 1.1;
          this.place(
            'shard',
            laneX(lane),
            y,
            this.filledTo + n * 3.4 - (cell === 'O' ? spacing * stretch : 0),
          );
        }
      });
      this.filledTo += spacing * stretch;
    }
    this.filledTo += spacing * 0.8;
  }

  private place(kind: ThingKind, x: number, y: number, at: number): void {
    const mesh = this.spare.get(kind)?.pop() ?? this.build(kind);
    const height = kind === 'gate' ? 2.2 : y;
    mesh.position.set(x, height, -AHEAD);
    mesh.visible = true;
    if (kind === 'crystal') mesh.rotation.y = Math.random() * 6;
    const phase = kind === 'shard' ? at * 0.3 : Math.random() * 6;
    this.things.push({ kind, mesh, at, x, y: height, homeX: x, phase, used: false });
  }

  private putAway(thing: Thing): void {
    thing.mesh.visible = false;
    const list = this.spare.get(thing.kind) ?? [];
    list.push(thing.mesh);
    this.spare.set(thing.kind, list);
  }

  private build(kind: ThingKind): THREE.Object3D {
    const group = new THREE.Group();
    const add = (shape: THREE.BufferGeometry, paint: THREE.Material, x: number, y: number, z: number) => {
      const mesh = new THREE.Mesh(shape, paint);
      mesh.position.set(x, y, z);
      mesh.frustumCulled = false;
      group.add(mesh);
      return mesh;
    };
    if (kind === 'crystal') {
      add(this.crystalShape, this.crystalPaint, 0, 1.7, 0).rotation.z = 0.12;
      add(this.smallShape, this.crystalPaint, 0.95, 0.6, 0.5).rotation.z = -0.45;
      add(this.smallShape, this.crystalPaint, -0.85, 0.5, 0.35).rotation.z = 0.55;
    } else if (kind === 'mover') {
      add(this.crystalShape, this.moverPaint, 0, 2.1, 0).scale.set(0.85, 0.7, 0.85);
    } else if (kind === 'barrier') {
      add(this.barrierShape, this.barrierPaint, 0, 0.5, 0);
      add(this.railShape, this.railPaint, 0, 1.05, 0);
    } else if (kind === 'gate') {
      add(this.gateShape, this.gatePaint, 0, 0, 0);
    } else {
      add(this.shardShape, this.shardPaint, 0, 0, 0);
    }
    this.scene.add(group);
    return group;
  }
}
