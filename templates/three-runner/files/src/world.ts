import * as THREE from 'three';
import { bent } from './bend';
import config from './config.json';
import { theme } from './theme';

const CHUNK = 80;
const CHUNKS = 4;
const STAR_COUNT = 260;

/** A number in 0..1 that is always the same for the same input. */
function noise(x: number, z: number): number {
  const value = Math.sin(x * 127.1 + z * 311.7) * 43758.5453;
  return value - Math.floor(value);
}

/** Height of the canyon. It repeats every chunk, so that one geometry serves for all of them. */
function canyonHeight(x: number, row: number, rows: number): number {
  const outside = Math.max(0, Math.abs(x) - config.halfWidth - 4);
  if (outside === 0) return 0;
  const turn = ((row % rows) / rows) * Math.PI * 2;
  const side = Math.sign(x);
  const wave = Math.sin(turn + side) * 2.4 + Math.sin(turn * 3 + side * 2) * 1.7;
  const rough = noise(Math.round(x * 3), row % rows) * 4.5;
  const slope = Math.min(1, outside / 26);
  return slope * (7 + wave + rough) + slope * slope * 15;
}

function canyonGeometry(): THREE.BufferGeometry {
  const columns = 26;
  const rows = 16;
  const plane = new THREE.PlaneGeometry(124, CHUNK, columns, rows);
  plane.rotateX(-Math.PI / 2);
  const position = plane.attributes.position;
  const colors: number[] = [];
  for (let i = 0; i < position.count; i++) {
    const row = Math.floor(i / (columns + 1));
    const x = position.getX(i);
    const height = canyonHeight(x, row, rows);
    position.setY(i, height);
    if (height > 0) position.setX(i, x + (noise(x, row % rows) - 0.5) * 3);
    const light = height === 0 ? 0.62 : 0.7 + Math.min(1, height / 24) * 0.6 + noise(row % rows, x) * 0.12;
    colors.push(light, light, light);
  }
  plane.setAttribute('color', new THREE.Float32BufferAttribute(colors, 3));
  const flat = plane.toNonIndexed();
  flat.computeVertexNormals();
  return flat;
}

const SKY_VERTEX = `
varying vec3 vDirection;
void main() {
  vDirection = position;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;

const SKY_FRAGMENT = `
uniform vec3 uTop;
uniform vec3 uMiddle;
uniform vec3 uHorizon;
uniform vec3 uSun;
varying vec3 vDirection;
void main() {
  vec3 direction = normalize(vDirection);
  float h = direction.y;
  vec3 color = mix(uHorizon, uMiddle, smoothstep(0.0, 0.36, h));
  color = mix(color, uTop, smoothstep(0.2, 0.8, h));
  float near = distance(direction, normalize(vec3(0.0, 0.1, -1.0)));
  color += mix(uSun, uHorizon, 0.6) * 0.45 * exp(-near * 4.5);
  color = mix(color, uSun, smoothstep(0.153, 0.147, near));
  gl_FragColor = vec4(color, 1.0);
  #include <colorspace_fragment>
}`;

/** Sky, light, canyon and the lines of the track. */
export class World {
  private readonly chunks: THREE.Group[] = [];
  private readonly fog = new THREE.Fog(0xffffff, 60, 235);
  private readonly skyUniforms = {
    uTop: { value: theme.skyTop },
    uMiddle: { value: theme.skyMiddle },
    uHorizon: { value: theme.horizon },
    uSun: { value: theme.sun },
  };
  private readonly sky: THREE.Mesh;
  private readonly stars: THREE.Points<THREE.BufferGeometry, THREE.PointsMaterial>;
  private readonly light = new THREE.HemisphereLight(0xffffff, 0x223355, 1.9);
  private readonly sunlight = new THREE.DirectionalLight(0xffffff, 2.1);
  private readonly fill = new THREE.DirectionalLight(0xffffff, 0.9);
  private readonly canyon = bent(new THREE.MeshLambertMaterial({ vertexColors: true }));
  private readonly track = bent(new THREE.MeshLambertMaterial());
  private readonly shine = bent(
    new THREE.MeshBasicMaterial({
      transparent: true,
      depthWrite: false,
      blending: THREE.AdditiveBlending,
      fog: false,
    }),
  );
  private readonly lines = bent(new THREE.MeshBasicMaterial());
  private offset = 0;

  constructor(scene: THREE.Scene) {
    scene.fog = this.fog;
    this.sunlight.position.set(6, 14, -16);
    this.fill.position.set(-9, 7, 14);
    scene.add(this.light, this.sunlight, this.fill);

    const skyMaterial = new THREE.ShaderMaterial({
      uniforms: this.skyUniforms,
      vertexShader: SKY_VERTEX,
      fragmentShader: SKY_FRAGMENT,
      side: THREE.BackSide,
      depthWrite: false,
      fog: false,
    });
    this.sky = new THREE.Mesh(new THREE.SphereGeometry(400, 32, 20), skyMaterial);
    this.sky.renderOrder = -2;
    this.stars = this.createStars();
    scene.add(this.sky, this.stars);

    const geometry = canyonGeometry();
    const width = (config.halfWidth + 1.6) * 2;
    const floor = new THREE.PlaneGeometry(width, CHUNK, 4, 16).rotateX(-Math.PI / 2);
    const edge = new THREE.BoxGeometry(0.2, 0.08, CHUNK, 1, 1, 40);
    const dash = new THREE.BoxGeometry(0.1, 0.04, 4);
    const post = new THREE.BoxGeometry(0.22, 1.7, 0.22);
    for (let i = 0; i < CHUNKS; i++) {
      const chunk = new THREE.Group();
      const track = new THREE.Mesh(floor, this.track);
      track.position.y = 0.025;
      chunk.add(new THREE.Mesh(geometry, this.canyon), track);
      for (const side of [-1, 1]) {
        const line = new THREE.Mesh(edge, this.lines);
        line.position.set(side * (config.halfWidth + 1.6), 0.05, 0);
        chunk.add(line);
      }
      const dashes = new THREE.InstancedMesh(dash, this.lines, 20);
      const posts = new THREE.InstancedMesh(post, this.lines, 8);
      const matrix = new THREE.Matrix4();
      for (let n = 0; n < 20; n++) {
        matrix.makeTranslation(n % 2 === 0 ? -3.2 : 3.2, 0.04, -CHUNK / 2 + Math.floor(n / 2) * 8 + 4);
        dashes.setMatrixAt(n, matrix);
      }
      for (let n = 0; n < 8; n++) {
        const x = (n % 2 === 0 ? -1 : 1) * (config.halfWidth + 1.6);
        matrix.makeTranslation(x, 0.85, -CHUNK / 2 + Math.floor(n / 2) * 20 + 10);
        posts.setMatrixAt(n, matrix);
      }
      // The bend moves them far from where they seem to be: never leave them out.
      dashes.frustumCulled = false;
      posts.frustumCulled = false;
      chunk.add(dashes, posts);
      for (const child of chunk.children) child.frustumCulled = false;
      this.chunks.push(chunk);
      scene.add(chunk);
    }
    scene.add(this.createShine());
    this.update(0, 0);
  }

  update(moved: number, cameraX: number): void {
    this.offset = (this.offset + moved) % CHUNK;
    this.chunks.forEach((chunk, i) => {
      chunk.position.z = this.offset - i * CHUNK;
    });
    this.sky.position.x = cameraX;
    this.stars.position.x = cameraX;
    this.fog.color.copy(theme.horizon).lerp(theme.skyMiddle, 0.18);
    this.canyon.color.copy(theme.cliff);
    this.track.color.copy(theme.ground).multiplyScalar(0.7);
    this.shine.color.copy(theme.sun).lerp(theme.horizon, 0.5);
    this.fill.color.copy(theme.line);
    this.lines.color.copy(theme.line);
    this.light.color.copy(theme.skyMiddle).lerp(new THREE.Color(0xffffff), 0.55);
    this.light.groundColor.copy(theme.ground);
    this.sunlight.color.copy(theme.sun);
    // Stars come out as the sky gets dark.
    const brightness = theme.skyTop.r + theme.skyTop.g + theme.skyTop.b;
    this.stars.material.opacity = THREE.MathUtils.clamp(1 - brightness * 6, 0, 0.9);
  }

  /** The sun mirrored on the track. */
  private createShine(): THREE.Mesh {
    const canvas = document.createElement('canvas');
    canvas.width = 64;
    canvas.height = 128;
    const context = canvas.getContext('2d');
    if (context) {
      const image = context.createImageData(64, 128);
      for (let y = 0; y < 128; y++) {
        for (let x = 0; x < 64; x++) {
          const across = Math.max(0, 1 - Math.abs(x - 31.5) / 32);
          const along = Math.sqrt(1 - y / 127);
          image.data.set([255, 255, 255, 255 * across * across * along * 0.55], (y * 64 + x) * 4);
        }
      }
      context.putImageData(image, 0, 0);
    }
    this.shine.map = new THREE.CanvasTexture(canvas);
    const geometry = new THREE.PlaneGeometry(14, 110, 4, 36).rotateX(-Math.PI / 2);
    const shine = new THREE.Mesh(geometry, this.shine);
    shine.position.set(0, 0.045, -52);
    shine.frustumCulled = false;
    return shine;
  }

  private createStars(): THREE.Points<THREE.BufferGeometry, THREE.PointsMaterial> {
    const points: number[] = [];
    for (let i = 0; i < STAR_COUNT; i++) {
      const angle = noise(i, 1) * Math.PI - Math.PI;
      const height = 0.14 + noise(i, 2) * 0.8;
      const reach = Math.sqrt(1 - height * height);
      points.push(Math.cos(angle) * reach * 380, height * 380, Math.sin(angle) * reach * 380);
    }
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute('position', new THREE.Float32BufferAttribute(points, 3));
    const material = new THREE.PointsMaterial({
      size: 2,
      sizeAttenuation: false,
      transparent: true,
      depthWrite: false,
      fog: false,
    });
    const stars = new THREE.Points(geometry, material);
    stars.renderOrder = -1;
    return stars;
  }
}
