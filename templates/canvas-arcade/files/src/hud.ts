import config from './config.json';
import type { Game } from './game';
import { drawGlow } from './glow';
import { clamp, damp, easeOutBack, easeOutCubic, TAU } from './math';
import type { View } from './types';

const FONT = 'ui-rounded, "Segoe UI", system-ui, -apple-system, sans-serif';

type Context = CanvasRenderingContext2D;

/** Score, lives, the nova gauge and the texts of the title and game-over screens. */
export class Hud {
  private shownScore = 0;
  private time = 0;

  /** Where the nova gauge is, in world units: it is also the touch button. */
  static novaButton(view: View): { x: number; y: number; radius: number } {
    return { x: view.width - 58, y: view.height - 58, radius: 34 };
  }

  update(game: Game, dt: number): void {
    this.time += dt;
    this.shownScore = damp(this.shownScore, game.score, 12, dt);
    if (Math.abs(this.shownScore - game.score) < 1) this.shownScore = game.score;
  }

  draw(context: Context, game: Game, view: View, touch: boolean, muted: boolean): void {
    context.save();
    context.textBaseline = 'middle';
    if (game.phase !== 'title') this.drawStatus(context, game, view);
    if (game.phase === 'playing') {
      this.drawNova(context, game, view, touch);
      this.drawWaveName(context, game, view);
    }
    if (game.phase === 'title') this.drawTitle(context, game, view, touch);
    if (game.phase === 'over') this.drawGameOver(context, game, view, touch);
    if (game.paused) this.drawPause(context, view);
    if (muted) this.text(context, 'MUTED', 20, view.height - 22, 12, '#b9a8ff', 'left');
    context.restore();
  }

  private text(
    context: Context,
    text: string,
    x: number,
    y: number,
    size: number,
    color: string,
    align: CanvasTextAlign = 'center',
    spacing = 1,
  ): void {
    context.font = `800 ${size}px ${FONT}`;
    context.textAlign = align;
    context.letterSpacing = `${spacing}px`;
    context.fillStyle = color;
    context.fillText(text, x, y);
  }

  private drawStatus(context: Context, game: Game, view: View): void {
    this.text(context, Math.round(this.shownScore).toLocaleString('en'), 22, 36, 34, '#fff3df', 'left', 0);
    const best = Math.max(game.best, game.score).toLocaleString('en');
    this.text(context, `BEST ${best}`, 23, 64, 12, '#b9a8ff', 'left', 2);

    // How close the next step of the multiplier is.
    const { perMultiplier, maxMultiplier } = config.gems;
    const full = game.multiplier === maxMultiplier;
    const part = full ? 1 : (game.gemsHeld % perMultiplier) / perMultiplier;
    this.text(context, `×${game.multiplier}`, view.width - 22, 36, 30, '#7de8ff', 'right', 0);
    context.fillStyle = 'rgba(125, 232, 255, 0.2)';
    context.fillRect(view.width - 92, 60, 70, 5);
    context.fillStyle = '#7de8ff';
    context.fillRect(view.width - 92, 60, 70 * part, 5);

    for (let i = 0; i < Math.max(game.lives, config.player.lives); i++) {
      this.drawLife(context, 31 + i * 24, 92, i < game.lives);
    }
  }

  private drawLife(context: Context, x: number, y: number, filled: boolean): void {
    context.save();
    context.translate(x, y);
    context.globalAlpha = filled ? 1 : 0.25;
    context.fillStyle = '#ff7a3d';
    context.beginPath();
    context.moveTo(0, -10);
    context.bezierCurveTo(9, 0, 8, 9, 0, 10);
    context.bezierCurveTo(-8, 9, -9, 0, 0, -10);
    context.fill();
    context.fillStyle = '#ffe0a3';
    context.beginPath();
    context.ellipse(0, 4, 3, 5, 0, 0, TAU);
    context.fill();
    context.restore();
  }

  private drawNova(context: Context, game: Game, view: View, touch: boolean): void {
    const { x, y, radius } = Hud.novaButton(view);
    const ready = game.novaCharge >= 1;
    const pulse = ready ? 1 + Math.sin(this.time * 7) * 0.06 : 1;
    context.save();
    if (ready) {
      context.globalCompositeOperation = 'lighter';
      drawGlow(context, x, y, radius * 1.9 * pulse, '#ff7a3d');
      context.globalCompositeOperation = 'source-over';
    }
    context.fillStyle = 'rgba(11, 6, 32, 0.65)';
    context.beginPath();
    context.arc(x, y, radius * pulse, 0, TAU);
    context.fill();
    context.lineWidth = 6;
    context.strokeStyle = 'rgba(255, 209, 102, 0.18)';
    context.stroke();
    context.strokeStyle = ready ? '#fff0c9' : '#ff9a4d';
    context.lineCap = 'round';
    context.beginPath();
    context.arc(x, y, radius * pulse, -TAU / 4, -TAU / 4 + TAU * Math.max(0.001, game.novaCharge));
    context.stroke();
    this.text(context, 'NOVA', x, ready && !touch ? y - 6 : y, 13, ready ? '#fff0c9' : '#d9a58a');
    if (ready && !touch) this.text(context, 'SPACE', x, y + 9, 9, '#ffb27a');
    context.restore();
  }

  private drawWaveName(context: Context, game: Game, view: View): void {
    if (game.waveAge > 2.4) return;
    const enter = easeOutBack(clamp(game.waveAge / 0.45, 0, 1));
    const leave = clamp((game.waveAge - 1.9) / 0.5, 0, 1);
    context.save();
    context.globalAlpha = clamp(game.waveAge / 0.2, 0, 1) * (1 - leave);
    context.translate(view.width / 2, view.height * 0.36 - leave * 30);
    context.scale(enter, enter);
    this.text(context, `WAVE ${game.wave}`, 0, -26, 16, '#ffb27a', 'center', 6);
    this.text(
      context,
      game.waveName.toUpperCase(),
      0,
      8,
      Math.min(40, view.width * 0.075),
      '#fff3df',
      'center',
      3,
    );
    context.restore();
  }

  private drawTitle(context: Context, game: Game, view: View, touch: boolean): void {
    const x = view.width / 2;
    const y = view.height * 0.36;
    // The first frame shows the whole screen already; the letters then ride on a slow wave.
    this.shade(context, view, 0.3);
    context.save();
    context.globalCompositeOperation = 'lighter';
    context.globalAlpha = 0.4 + Math.sin(this.time * 2) * 0.08;
    drawGlow(context, x, y, Math.min(420, view.width * 0.6), '#ff5b3d');
    context.restore();
    const size = clamp(view.width * 0.155, 54, 104);
    this.letters(context, 'EMBER', x, y - size * 0.5, size, ['#fff3d6', '#ff9a4d']);
    this.letters(context, 'SWARM', x, y + size * 0.5, size, ['#ffb27a', '#ff3d7f']);

    const blink = 0.65 + Math.sin(this.time * 4) * 0.35;
    context.globalAlpha = blink;
    const start = touch ? 'TAP TO START' : 'PRESS SPACE OR TAP TO START';
    this.text(context, start, x, view.height * 0.62, 19, '#fff3df', 'center', 3);
    context.globalAlpha = 0.85;
    const wide = view.width > 560;
    this.text(context, 'MOVE  arrows, WASD or drag', x, view.height * 0.69, 14, '#c9bbff', 'center', 1);
    const nova = wide
      ? 'NOVA  space, second finger or right click, once the gauge is full'
      : 'NOVA  space or second finger';
    this.text(context, nova, x, view.height * 0.725, 14, '#c9bbff', 'center', 1);
    if (game.best > 0) {
      this.text(
        context,
        `BEST ${game.best.toLocaleString('en')}`,
        x,
        view.height * 0.78,
        14,
        '#7de8ff',
        'center',
        3,
      );
    }
    context.globalAlpha = 1;
  }

  private letters(
    context: Context,
    word: string,
    x: number,
    y: number,
    size: number,
    colors: string[],
  ): void {
    context.font = `800 ${size}px ${FONT}`;
    context.letterSpacing = '0px';
    const gap = size * 0.07;
    const widths = [...word].map((letter) => context.measureText(letter).width + gap);
    let left = x - widths.reduce((sum, width) => sum + width, 0) / 2;
    [...word].forEach((letter, i) => {
      const lift = Math.sin(this.time * 2.2 + i * 0.7 + y * 0.01) * size * 0.05;
      const fill = context.createLinearGradient(0, y - size * 0.4, 0, y + size * 0.4);
      fill.addColorStop(0, colors[0]);
      fill.addColorStop(1, colors[1]);
      const at = left + widths[i] / 2;
      left += widths[i];
      this.text(
        context,
        letter,
        at + size * 0.03,
        y + lift + size * 0.05,
        size,
        'rgba(40, 5, 40, 0.8)',
        'center',
        0,
      );
      context.fillStyle = fill;
      context.fillText(letter, at, y + lift);
    });
  }

  private drawGameOver(context: Context, game: Game, view: View, touch: boolean): void {
    const show = easeOutCubic(clamp((game.phaseAge - 0.5) / 0.6, 0, 1));
    if (show <= 0) return;
    const x = view.width / 2;
    this.shade(context, view, 0.72 * show);
    context.save();
    context.globalAlpha = show;
    context.translate(0, (1 - show) * 40);
    const size = clamp(view.width * 0.1, 40, 72);
    this.letters(context, 'BURNT OUT', x, view.height * 0.32, size, ['#ffb27a', '#ff3d7f']);
    this.text(context, 'SCORE', x, view.height * 0.44, 15, '#b9a8ff', 'center', 5);
    this.text(
      context,
      Math.round(this.shownScore).toLocaleString('en'),
      x,
      view.height * 0.505,
      60,
      '#fff3df',
    );
    const detail = game.newBest ? 'NEW BEST!' : `BEST ${game.best.toLocaleString('en')}`;
    const color = game.newBest ? '#ffd166' : '#7de8ff';
    this.text(context, `${detail}   ·   WAVE ${game.wave}`, x, view.height * 0.575, 16, color, 'center', 2);
    context.globalAlpha = show * (0.65 + Math.sin(this.time * 4) * 0.35);
    const again = touch ? 'TAP TO TRY AGAIN' : 'PRESS SPACE OR TAP TO TRY AGAIN';
    this.text(context, again, x, view.height * 0.68, 18, '#fff3df', 'center', 3);
    context.restore();
  }

  private drawPause(context: Context, view: View): void {
    this.shade(context, view, 0.7);
    this.text(context, 'PAUSED', view.width / 2, view.height * 0.45, 54, '#fff3df', 'center', 8);
    this.text(
      context,
      'PRESS ANY KEY OR TAP',
      view.width / 2,
      view.height * 0.53,
      16,
      '#ffb27a',
      'center',
      3,
    );
  }

  private shade(context: Context, view: View, alpha: number): void {
    context.fillStyle = `rgba(8, 4, 24, ${alpha})`;
    context.fillRect(0, 0, view.width, view.height);
  }
}
