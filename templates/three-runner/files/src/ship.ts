import * as THREE from 'three';

/** A soft round light, for engines and glows. */
export function glowTexture(): THREE.CanvasTexture {
  const canvas = document.createElement('canvas');
  canvas.width = 64;
  canvas.height = 64;
  const context = canvas.getContext('2d');
  if (context) {
    const fade = context.createRadialGradient(32, 32, 0, 32, 32, 32);
    fade.addColorStop(0, 'rgba(255, 255, 255, 1)');
    fade.addColorStop(0.3, 'rgba(255, 255, 255, 0.45)');
    fade.addColorStop(1, 'rgba(255, 255, 255, 0)');
    context.fillStyle = fade;
    context.fillRect(0, 0, 64, 64);
  }
  return new THREE.CanvasTexture(canvas);
}

/** Flat faces from a list of triangles, mirrored to the other side. */
function mirrored(triangles: number[][]): THREE.BufferGeometry {
  const points: number[] = [];
  for (const [ax, ay, az, bx, by, bz, cx, cy, cz] of triangles) {
    points.push(ax, ay, az, bx, by, bz, cx, cy, cz);
    points.push(-ax, ay, az, -cx, cy, cz, -bx, by, bz);
  }
  const geometry = new THREE.BufferGeometry();
  geometry.setAttribute('position', new THREE.Float32BufferAttribute(points, 3));
  geometry.computeVertexNormals();
  return geometry;
}

const HULL = mirrored([
  [0, 0.1, -2.3, 0, 0.5, 0.3, 0.62, 0.08, 0.5],
  [0, 0.1, -2.3, 0.62, 0.08, 0.5, 0, -0.2, 0.2],
  [0, 0.5, 0.3, 0, 0.42, 1.3, 0.62, 0.08, 0.5],
  [0.62, 0.08, 0.5, 0, 0.42, 1.3, 0.42, 0.06, 1.3],
  [0.62, 0.08, 0.5, 0.42, 0.06, 1.3, 0, -0.2, 0.2],
  [0, 0.42, 1.3, 0, -0.16, 1.3, 0.42, 0.06, 1.3],
]);
const WINGS = mirrored([
  [0.3, 0.1, -0.7, 0.5, 0.16, 1.1, 1.75, -0.06, 1.35],
  [0.3, 0.02, -0.7, 1.75, -0.06, 1.35, 0.5, 0, 1.1],
  [1.75, -0.06, 1.35, 1.95, 0.62, 1.75, 1.62, -0.06, 0.9],
  [1.75, -0.06, 1.35, 1.62, -0.06, 0.9, 1.95, 0.62, 1.75],
]);

/** The glider: only its looks. Where it is, and what it hits, is decided in game.ts. */
export class Ship {
  readonly group = new THREE.Group();
  private readonly body = new THREE.Group();
  private readonly engines: THREE.Mesh[] = [];
  private readonly shadow: THREE.Mesh<THREE.PlaneGeometry, THREE.MeshBasicMaterial>;
  private readonly bubble: THREE.Mesh<THREE.IcosahedronGeometry, THREE.MeshBasicMaterial>;
  private readonly texture = glowTexture();
  private time = 0;

  constructor(scene: THREE.Scene) {
    const hull = new THREE.MeshStandardMaterial({ color: 0xfff4e0, roughness: 0.4, flatShading: true });
    const wing = new THREE.MeshStandardMaterial({ color: 0xff6f61, roughness: 0.5, side: THREE.DoubleSide });
    const glass = new THREE.MeshStandardMaterial({ color: 0x123a63, roughness: 0.15, emissive: 0x0c3a5c });
    this.body.add(new THREE.Mesh(HULL, hull), new THREE.Mesh(WINGS, wing));
    const cockpit = new THREE.Mesh(new THREE.OctahedronGeometry(0.34), glass);
    cockpit.scale.set(0.72, 0.55, 2);
    cockpit.position.set(0, 0.33, -0.25);
    this.body.add(cockpit);
    for (const x of [-0.42, 0.42]) {
      this.addEngine(x, 0xff9a5a, 1.5);
      this.addEngine(x, 0xfff0c9, 0.75);
    }
    this.group.add(this.body);

    this.shadow = new THREE.Mesh(
      new THREE.PlaneGeometry(5, 4),
      new THREE.MeshBasicMaterial({
        map: this.texture,
        color: 0x04122c,
        transparent: true,
        depthWrite: false,
      }),
    );
    this.shadow.rotation.x = -Math.PI / 2;
    this.bubble = new THREE.Mesh(
      new THREE.IcosahedronGeometry(1.9, 1),
      new THREE.MeshBasicMaterial({ color: 0x7df0e4, wireframe: true, transparent: true, opacity: 0.13 }),
    );
    this.bubble.position.y = 0.2;
    this.group.add(this.bubble);
    scene.add(this.group, this.shadow);
  }

  update(
    dt: number,
    state: { x: number; y: number; vx: number; vy: number; shield: boolean; safe: number },
  ): void {
    this.time += dt;
    const hover = Math.sin(this.time * 3.2) * 0.07;
    this.group.position.set(state.x, state.y + hover, 0);
    this.body.rotation.set(state.vy * 0.025, -state.vx * 0.018, -state.vx * 0.042);
    this.body.visible = state.safe <= 0 || Math.sin(this.time * 38) > -0.2;
    for (const [i, engine] of this.engines.entries()) {
      engine.scale.setScalar(1 + Math.sin(this.time * 41 + i * 2) * 0.16);
    }
    this.shadow.position.set(state.x, 0.06, 0.2);
    this.shadow.material.opacity = 0.75 / (1 + state.y * 0.35);
    this.bubble.visible = state.shield;
    this.bubble.rotation.set(this.time * 0.7, this.time, 0);
  }

  setVisible(visible: boolean): void {
    this.group.visible = visible;
    this.shadow.visible = visible;
  }

  private addEngine(x: number, color: number, size: number): void {
    const material = new THREE.MeshBasicMaterial({
      map: this.texture,
      color,
      transparent: true,
      depthWrite: false,
      blending: THREE.AdditiveBlending,
    });
    const engine = new THREE.Mesh(new THREE.PlaneGeometry(size, size), material);
    engine.position.set(x, 0.14, 1.4 + size * 0.01);
    this.engines.push(engine);
    this.body.add(engine);
  }
}
