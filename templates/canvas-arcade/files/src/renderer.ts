import { Background } from './background';
import type { Game } from './game';
import { drawGlow } from './glow';
import { clamp, damp, easeOutCubic, rand, TAU } from './math';
import type { Particles } from './particles';
import shipUrl from './ship.svg';
import type { Enemy, View } from './types';

type Context = CanvasRenderingContext2D;

function polygon(context: Context, sides: number, radius: number, turn = 0): void {
  context.beginPath();
  for (let i = 0; i < sides; i++) {
    const angle = turn + (i / sides) * TAU;
    context.lineTo(Math.cos(angle) * radius, Math.sin(angle) * radius);
  }
  context.closePath();
}

function path(context: Context, radius: number, points: [number, number][]): void {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x * radius, y * radius);
  context.closePath();
}

/** Draws the world. The texts and buttons over it are in hud.ts. */
export class Renderer {
  private readonly background = new Background();
  private readonly shipImage = new Image();
  private bank = 0;
  private time = 0;

  constructor() {
    this.shipImage.src = shipUrl;
  }

  update(game: Game, dt: number): void {
    this.time += dt;
    this.background.update(dt, game.phase === 'title' ? 0.6 : 1 + game.intensity * 2);
    this.bank = damp(this.bank, clamp(game.ship.vx / 430, -1, 1), 12, dt);
  }

  draw(context: Context, game: Game, view: View, particles: Particles): void {
    const strength = game.shake * game.shake * 15;
    const sway = (game.ship.x / view.width) * 2 - 1;
    context.save();
    context.translate(rand(-strength, strength), rand(-strength, strength));
    this.background.draw(context, view, sway);
    this.drawPickups(context, game);
    for (const enemy of game.enemies) this.drawEnemy(context, enemy);
    this.drawShots(context, game);
    if (game.ship.alive) this.drawShip(context, game);
    particles.draw(context);
    this.drawNova(context, game);
    this.drawFloaters(context, game);
    context.restore();
  }

  private drawShip(context: Context, game: Game): void {
    const { x, y, safe } = game.ship;
    context.save();
    context.globalCompositeOperation = 'lighter';
    context.globalAlpha = 0.55;
    drawGlow(context, x, y + 8, 62, '#ff7a3d');
    context.globalCompositeOperation = 'source-over';
    // Blinks while it cannot be hit.
    context.globalAlpha = safe > 0 && Math.sin(this.time * 34) > 0.2 ? 0.35 : 1;
    context.translate(x, y);
    context.rotate(this.bank * 0.22);
    context.scale(1 - Math.abs(this.bank) * 0.16, 1);
    if (this.shipImage.complete && this.shipImage.naturalWidth > 0) {
      context.drawImage(this.shipImage, -32, -34, 64, 64);
    } else {
      context.fillStyle = '#ffe3b8';
      path(context, 28, [
        [0, -1],
        [0.7, 0.8],
        [-0.7, 0.8],
      ]);
      context.fill();
    }
    context.restore();
  }

  private drawEnemy(context: Context, enemy: Enemy): void {
    const { radius, color } = enemy;
    context.save();
    context.translate(enemy.x, enemy.y);
    context.globalCompositeOperation = 'lighter';
    context.globalAlpha = 0.5;
    drawGlow(context, 0, 0, radius * 2.4, color);
    context.globalCompositeOperation = 'source-over';
    context.globalAlpha = 1;
    context.rotate(enemy.angle);
    const fill = context.createLinearGradient(0, -radius, 0, radius);
    fill.addColorStop(0, enemy.flash > 0.4 ? '#ffffff' : `${color}cc`);
    fill.addColorStop(1, enemy.flash > 0.4 ? color : '#1d0a33');
    context.fillStyle = fill;
    context.strokeStyle = enemy.flash > 0.2 ? '#ffffff' : color;
    context.lineWidth = 2.5;
    context.lineJoin = 'round';
    this.traceBody(context, enemy);
    context.fill();
    context.stroke();
    this.drawCore(context, enemy);
    context.restore();
    if (enemy.kind === 'brute' || (enemy.kind === 'turret' && enemy.hp < enemy.maxHp))
      this.drawHealth(context, enemy);
  }

  private traceBody(context: Context, enemy: Enemy): void {
    const { radius } = enemy;
    switch (enemy.kind) {
      case 'drifter':
        polygon(context, 6, radius);
        break;
      case 'weaver':
        path(context, radius, [
          [0, 1.1],
          [0.5, 0.1],
          [1.35, -0.6],
          [0.45, -0.35],
          [0, -0.9],
          [-0.45, -0.35],
          [-1.35, -0.6],
          [-0.5, 0.1],
        ]);
        break;
      case 'hunter':
        path(context, radius, [
          [0, 1.35],
          [0.85, -0.7],
          [0.3, -0.4],
          [0, -1],
          [-0.3, -0.4],
          [-0.85, -0.7],
        ]);
        break;
      case 'turret':
        polygon(context, 4, radius, TAU / 8);
        break;
      case 'brute':
        polygon(context, 8, radius);
        break;
    }
  }

  private drawCore(context: Context, enemy: Enemy): void {
    const { radius, color, kind } = enemy;
    const pulse = 0.85 + Math.sin(enemy.age * 6) * 0.15;
    context.globalAlpha = 0.75;
    context.lineWidth = 1.5;
    if (kind === 'drifter') {
      polygon(context, 3, radius * 0.5, enemy.angle * 0.5);
      context.stroke();
    }
    if (kind === 'turret') {
      polygon(context, 4, radius * 1.25);
      context.stroke();
    }
    if (kind === 'brute') {
      context.rotate(-enemy.angle * 2.5);
      context.lineWidth = 4;
      for (let i = 0; i < 4; i++) {
        context.beginPath();
        context.arc(0, 0, radius * 1.22, (i / 4) * TAU, (i / 4) * TAU + 1);
        context.stroke();
      }
      context.lineWidth = 2;
      polygon(context, 8, radius * 0.6);
      context.stroke();
    }
    context.globalCompositeOperation = 'lighter';
    context.globalAlpha = 1;
    const taking = kind === 'hunter' && enemy.timer > 0 && enemy.timer < 0.7;
    drawGlow(context, 0, 0, radius * 0.62 * pulse * (taking ? 1.7 : 1), taking ? '#ffffff' : color);
    context.fillStyle = '#fff6e6';
    context.beginPath();
    context.arc(0, 0, radius * 0.15 * pulse, 0, TAU);
    context.fill();
  }

  private drawHealth(context: Context, enemy: Enemy): void {
    const width = enemy.radius * 1.6;
    const top = enemy.y - enemy.radius * 1.5;
    context.fillStyle = 'rgba(8, 4, 24, 0.7)';
    context.fillRect(enemy.x - width / 2, top, width, 5);
    context.fillStyle = enemy.color;
    context.fillRect(enemy.x - width / 2, top, width * clamp(enemy.hp / enemy.maxHp, 0, 1), 5);
  }

  private drawShots(context: Context, game: Game): void {
    context.save();
    context.globalCompositeOperation = 'lighter';
    context.lineCap = 'round';
    for (const shot of game.shots) {
      drawGlow(context, shot.x, shot.y, 15, '#ff9a3d');
      context.strokeStyle = '#fff0c9';
      context.lineWidth = 3.5;
      context.beginPath();
      context.moveTo(shot.x, shot.y);
      context.lineTo(shot.x - shot.vx * 0.018, shot.y - shot.vy * 0.018);
      context.stroke();
    }
    const pulse = 1 + Math.sin(this.time * 18) * 0.12;
    for (const shot of game.enemyShots) {
      drawGlow(context, shot.x, shot.y, 20 * pulse, '#ff2e6e');
      context.fillStyle = '#ffe0ea';
      context.beginPath();
      context.arc(shot.x, shot.y, 4.5, 0, TAU);
      context.fill();
    }
    context.restore();
  }

  private drawPickups(context: Context, game: Game): void {
    for (const gem of game.gems) {
      context.save();
      context.translate(gem.x, gem.y);
      context.globalCompositeOperation = 'lighter';
      drawGlow(context, 0, 0, 17, '#3aa8ff');
      // The width turns with time: a diamond that spins.
      context.scale(Math.max(0.2, Math.abs(Math.cos(gem.age * 4 + gem.x))), 1);
      context.fillStyle = '#a9f3ff';
      polygon(context, 4, 6.5);
      context.fill();
      context.restore();
    }
    for (const power of game.powerUps) {
      const color = power.kind === 'weapon' ? '#ffd166' : '#5dffa8';
      context.save();
      context.translate(power.x, power.y);
      context.globalCompositeOperation = 'lighter';
      drawGlow(context, 0, 0, 46 + Math.sin(power.age * 6) * 6, color);
      context.globalCompositeOperation = 'source-over';
      context.fillStyle = '#1d0a33';
      context.strokeStyle = color;
      context.lineWidth = 2.5;
      polygon(context, 6, 18, power.age);
      context.fill();
      context.stroke();
      context.fillStyle = color;
      if (power.kind === 'weapon') {
        path(context, 9, [
          [0, -1],
          [0.9, 0.2],
          [0.35, 0.2],
          [0.35, 1],
          [-0.35, 1],
          [-0.35, 0.2],
          [-0.9, 0.2],
        ]);
        context.fill();
      } else {
        context.fillRect(-8, -2.5, 16, 5);
        context.fillRect(-2.5, -8, 5, 16);
      }
      context.restore();
    }
  }

  private drawNova(context: Context, game: Game): void {
    const { nova } = game;
    if (!nova) return;
    const fade = clamp(1 - nova.radius / 1400, 0, 1);
    context.save();
    context.globalCompositeOperation = 'lighter';
    const wave = context.createRadialGradient(nova.x, nova.y, nova.radius * 0.7, nova.x, nova.y, nova.radius);
    wave.addColorStop(0, 'rgba(255, 90, 60, 0)');
    wave.addColorStop(0.8, `rgba(255, 140, 70, ${0.35 * fade})`);
    wave.addColorStop(1, `rgba(255, 240, 200, ${0.8 * fade})`);
    context.fillStyle = wave;
    context.beginPath();
    context.arc(nova.x, nova.y, nova.radius, 0, TAU);
    context.fill();
    context.restore();
  }

  private drawFloaters(context: Context, game: Game): void {
    context.save();
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    for (const floater of game.floaters) {
      const t = floater.age / 0.9;
      context.globalAlpha = 1 - t * t;
      const size = floater.size * (1.5 - 0.5 * easeOutCubic(Math.min(1, t * 4)));
      context.font = `800 ${size}px system-ui, sans-serif`;
      context.fillStyle = floater.color;
      context.fillText(floater.text, floater.x, floater.y - 40 * easeOutCubic(t));
    }
    context.restore();
  }
}
