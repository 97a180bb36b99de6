import { drawGlow } from './glow';
import { rand, TAU } from './math';
import type { View } from './types';

interface Star {
  /** 0..1 across the view, so that stars need no care when the window is resized. */
  x: number;
  y: number;
  depth: number;
  twinkle: number;
}

const NEBULA = [
  { x: 0.18, y: 0.22, radius: 0.55, color: '#5a1f8f' },
  { x: 0.82, y: 0.38, radius: 0.6, color: '#8f1f5c' },
  { x: 0.35, y: 0.78, radius: 0.65, color: '#28308f' },
  { x: 0.9, y: 0.85, radius: 0.45, color: '#a8402c' },
];

/** Night sky: gradient, drifting nebula, three depths of stars and a burning planet at the bottom. */
export class Background {
  private readonly stars: Star[] = [];
  private time = 0;
  private scroll = 0;

  constructor() {
    for (let i = 0; i < 150; i++) {
      this.stars.push({
        x: Math.random(),
        y: Math.random(),
        depth: Math.random() ** 2,
        twinkle: rand(0, TAU),
      });
    }
  }

  update(dt: number, speed: number): void {
    this.time += dt;
    this.scroll += dt * speed;
  }

  /** @param sway -1..1, the horizontal place of the ship: things far away move against it a little */
  draw(context: CanvasRenderingContext2D, view: View, sway: number): void {
    const { width, height } = view;
    const sky = context.createLinearGradient(0, 0, 0, height);
    sky.addColorStop(0, '#080418');
    sky.addColorStop(0.5, '#170a35');
    sky.addColorStop(1, '#3a1038');
    context.fillStyle = sky;
    context.fillRect(-40, -40, width + 80, height + 80);

    context.save();
    context.globalCompositeOperation = 'lighter';
    const reach = Math.max(width, height);
    NEBULA.forEach((cloud, i) => {
      const x = cloud.x * width + Math.sin(this.time * 0.11 + i * 2) * 40 - sway * 14;
      const y = cloud.y * height + Math.cos(this.time * 0.09 + i) * 30;
      context.globalAlpha = 0.34 + Math.sin(this.time * 0.3 + i * 1.7) * 0.06;
      drawGlow(context, x, y, cloud.radius * reach, cloud.color);
    });

    for (const star of this.stars) {
      const fall = star.y + this.scroll * (0.02 + star.depth * 0.16);
      const y = (fall % 1) * (height + 20) - 10;
      const x = star.x * (width + 60) - 30 - sway * star.depth * 26;
      const size = 0.6 + star.depth * 1.6;
      context.globalAlpha =
        (0.35 + star.depth * 0.6) * (0.75 + 0.25 * Math.sin(this.time * 3 + star.twinkle));
      context.fillStyle = star.depth > 0.5 ? '#ffe6cf' : '#b9a8ff';
      context.fillRect(x, y, size, size * (1 + star.depth * 5));
    }
    this.drawPlanet(context, view, sway);
    context.restore();
  }

  private drawPlanet(context: CanvasRenderingContext2D, view: View, sway: number): void {
    const radius = Math.max(view.width * 0.75, 620);
    const x = view.width * 0.5 - sway * 22;
    const y = view.height + radius - 74;
    context.globalAlpha = 1;
    const air = context.createRadialGradient(x, y, radius * 0.96, x, y, radius * 1.2);
    air.addColorStop(0, 'rgba(255, 122, 61, 0.55)');
    air.addColorStop(0.22, 'rgba(255, 77, 109, 0.28)');
    air.addColorStop(1, 'rgba(120, 30, 140, 0)');
    context.fillStyle = air;
    context.beginPath();
    context.arc(x, y, radius * 1.2, 0, TAU);
    context.fill();

    context.globalCompositeOperation = 'source-over';
    const ground = context.createRadialGradient(x, y, radius * 0.9, x, y, radius);
    ground.addColorStop(0, '#14061f');
    ground.addColorStop(0.86, '#2c0b2e');
    ground.addColorStop(1, '#7d2436');
    context.fillStyle = ground;
    context.beginPath();
    context.arc(x, y, radius, 0, TAU);
    context.fill();
    context.strokeStyle = 'rgba(255, 196, 128, 0.85)';
    context.lineWidth = 2;
    context.stroke();
    context.globalCompositeOperation = 'lighter';
  }
}
