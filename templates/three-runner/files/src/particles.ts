import * as THREE from 'three';

const COUNT = 500;

const VERTEX = `
attribute float aSize;
attribute vec3 aColor;
attribute float aAlpha;
uniform float uPixels;
varying vec3 vColor;
varying float vAlpha;
void main() {
  vColor = aColor;
  vAlpha = aAlpha;
  vec4 mvPosition = modelViewMatrix * vec4(position, 1.0);
  gl_PointSize = aSize * uPixels / max(0.5, -mvPosition.z);
  gl_Position = projectionMatrix * mvPosition;
}`;

const FRAGMENT = `
varying vec3 vColor;
varying float vAlpha;
void main() {
  float d = length(gl_PointCoord - 0.5) * 2.0;
  float light = smoothstep(1.0, 0.0, d);
  gl_FragColor = vec4(vColor, vAlpha * light * light);
  #include <colorspace_fragment>
}`;

interface Spray {
  x: number;
  y: number;
  z: number;
  color: THREE.Color;
  count: number;
  speed: number;
  size: number;
  life: number;
  /** Added to every particle's own speed. */
  vx?: number;
  vy?: number;
  vz?: number;
}

/** All particles are one object with a fixed number of points, reused in turn. */
export class Particles {
  private readonly position = new Float32Array(COUNT * 3);
  private readonly velocity = new Float32Array(COUNT * 3);
  private readonly color = new Float32Array(COUNT * 3);
  private readonly size = new Float32Array(COUNT);
  private readonly alpha = new Float32Array(COUNT);
  private readonly age = new Float32Array(COUNT).fill(9);
  private readonly life = new Float32Array(COUNT).fill(1);
  private readonly geometry = new THREE.BufferGeometry();
  private readonly uniforms = { uPixels: { value: 600 } };
  private next = 0;

  constructor(scene: THREE.Scene) {
    const add = (name: string, array: Float32Array, itemSize: number) =>
      this.geometry.setAttribute(
        name,
        new THREE.BufferAttribute(array, itemSize).setUsage(THREE.DynamicDrawUsage),
      );
    add('position', this.position, 3);
    add('aColor', this.color, 3);
    add('aSize', this.size, 1);
    add('aAlpha', this.alpha, 1);
    const material = new THREE.ShaderMaterial({
      uniforms: this.uniforms,
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      transparent: true,
      depthWrite: false,
      blending: THREE.AdditiveBlending,
    });
    const points = new THREE.Points(this.geometry, material);
    points.frustumCulled = false;
    scene.add(points);
  }

  /** Keeps the size of particles in step with the height of the picture. */
  setPixels(height: number, fieldOfView: number): void {
    this.uniforms.uPixels.value = height / (2 * Math.tan(THREE.MathUtils.degToRad(fieldOfView) / 2));
  }

  spray(spray: Spray): void {
    for (let n = 0; n < spray.count; n++) {
      const i = this.next;
      this.next = (this.next + 1) % COUNT;
      const turn = Math.random() * Math.PI * 2;
      const up = Math.random() * 2 - 1;
      const flat = Math.sqrt(1 - up * up);
      const speed = spray.speed * (0.3 + Math.random() * 0.7);
      this.position.set([spray.x, spray.y, spray.z], i * 3);
      this.velocity[i * 3] = Math.cos(turn) * flat * speed + (spray.vx ?? 0);
      this.velocity[i * 3 + 1] = up * speed + (spray.vy ?? 0);
      this.velocity[i * 3 + 2] = Math.sin(turn) * flat * speed + (spray.vz ?? 0);
      this.color.set([spray.color.r, spray.color.g, spray.color.b], i * 3);
      this.size[i] = spray.size * (0.6 + Math.random() * 0.8);
      this.life[i] = spray.life * (0.6 + Math.random() * 0.6);
      this.age[i] = 0;
    }
  }

  update(dt: number, drift: number): void {
    for (let i = 0; i < COUNT; i++) {
      this.age[i] += dt;
      const left = Math.max(0, 1 - this.age[i] / this.life[i]);
      this.alpha[i] = left;
      if (left === 0) continue;
      this.velocity[i * 3 + 1] -= 5 * dt;
      this.position[i * 3] += this.velocity[i * 3] * dt;
      this.position[i * 3 + 1] += this.velocity[i * 3 + 1] * dt;
      this.position[i * 3 + 2] += this.velocity[i * 3 + 2] * dt + drift;
    }
    for (const attribute of Object.values(this.geometry.attributes)) attribute.needsUpdate = true;
  }
}
