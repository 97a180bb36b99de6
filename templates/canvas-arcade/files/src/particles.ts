import { drawGlow } from './glow';
import { rand, TAU } from './math';

interface Particle {
  x: number;
  y: number;
  vx: number;
  vy: number;
  age: number;
  life: number;
  size: number;
  color: string;
  /** Sparks are drawn as streaks along their speed, the others as soft discs. */
  spark: boolean;
}

interface Ring {
  x: number;
  y: number;
  age: number;
  life: number;
  radius: number;
  color: string;
}

const LIMIT = 700;

export class Particles {
  private list: Particle[] = [];
  private rings: Ring[] = [];

  explode(x: number, y: number, color: string, size: number): void {
    const count = Math.round(10 + size * 0.7);
    for (let i = 0; i < count; i++) {
      const angle = rand(0, TAU);
      const speed = rand(40, 150 + size * 6);
      const spark = i % 3 !== 0;
      this.add({
        x,
        y,
        vx: Math.cos(angle) * speed,
        vy: Math.sin(angle) * speed,
        life: rand(0.3, 0.75),
        size: spark ? rand(1.5, 2.8) : rand(size * 0.3, size * 0.7),
        color: i % 4 === 0 ? '#fff0c9' : color,
        spark,
      });
    }
    this.ring(x, y, color, size * 2.6, 0.4);
  }

  impact(x: number, y: number, color: string): void {
    for (let i = 0; i < 4; i++) {
      const vx = rand(-130, 130);
      const vy = rand(40, 230);
      this.add({ x, y, vx, vy, life: rand(0.15, 0.3), size: rand(1.2, 2), color, spark: true });
    }
  }

  flame(x: number, y: number, power: number): void {
    this.add({
      x: x + rand(-3, 3),
      y,
      vx: rand(-16, 16),
      vy: rand(150, 260) * power,
      life: rand(0.18, 0.34),
      size: rand(6, 11),
      color: Math.random() < 0.3 ? '#ffd166' : '#ff6a3d',
      spark: false,
    });
  }

  sparkle(x: number, y: number, color: string): void {
    for (let i = 0; i < 5; i++) {
      const angle = rand(0, TAU);
      const speed = rand(30, 120);
      const vx = Math.cos(angle) * speed;
      const vy = Math.sin(angle) * speed;
      this.add({ x, y, vx, vy, life: rand(0.2, 0.4), size: rand(1, 2), color, spark: true });
    }
  }

  ring(x: number, y: number, color: string, radius: number, life: number): void {
    this.rings.push({ x, y, color, radius, life, age: 0 });
  }

  clear(): void {
    this.list = [];
    this.rings = [];
  }

  update(dt: number): void {
    for (const particle of this.list) {
      particle.age += dt;
      particle.x += particle.vx * dt;
      particle.y += particle.vy * dt;
      const drag = Math.exp(-2.6 * dt);
      particle.vx *= drag;
      particle.vy *= drag;
    }
    for (const ring of this.rings) ring.age += dt;
    this.list = this.list.filter((particle) => particle.age < particle.life);
    this.rings = this.rings.filter((ring) => ring.age < ring.life);
  }

  draw(context: CanvasRenderingContext2D): void {
    context.save();
    context.globalCompositeOperation = 'lighter';
    context.lineCap = 'round';
    for (const particle of this.list) {
      const left = 1 - particle.age / particle.life;
      context.globalAlpha = left;
      if (particle.spark) {
        context.strokeStyle = particle.color;
        context.lineWidth = particle.size * (0.4 + left * 0.6);
        context.beginPath();
        context.moveTo(particle.x, particle.y);
        context.lineTo(particle.x - particle.vx * 0.045, particle.y - particle.vy * 0.045);
        context.stroke();
      } else {
        drawGlow(context, particle.x, particle.y, particle.size * (1.6 - left * 0.6), particle.color);
      }
    }
    for (const ring of this.rings) {
      const t = ring.age / ring.life;
      const grown = 1 - (1 - t) ** 3;
      context.globalAlpha = (1 - t) * 0.8;
      context.strokeStyle = ring.color;
      context.lineWidth = 1 + 7 * (1 - t);
      context.beginPath();
      context.arc(ring.x, ring.y, ring.radius * grown, 0, TAU);
      context.stroke();
    }
    context.restore();
  }

  private add(particle: Omit<Particle, 'age'>): void {
    if (this.list.length < LIMIT) this.list.push({ ...particle, age: 0 });
  }
}
