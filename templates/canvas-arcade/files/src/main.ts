import { Sound } from './audio';
import { Game } from './game';
import { Hud } from './hud';
import { Input } from './input';
import { touches } from './math';
import { Particles } from './particles';
import { Renderer } from './renderer';
import type { View } from './types';

// The world is at least this large, in its own units, whatever the shape of the window.
const MIN_WIDTH = 440;
const HEIGHT = 720;

function start(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D): void {
  const view: View = { width: HEIGHT, height: HEIGHT, scale: 1 };
  let cssPerUnit = 1;
  resize();

  const sound = new Sound();
  const particles = new Particles();
  const game = new Game(view, particles, sound);
  const renderer = new Renderer();
  const hud = new Hud();
  let muted = false;
  const input = new Input(
    canvas,
    () => sound.unlock(),
    (x, y) => {
      const button = Hud.novaButton(view);
      return (
        game.phase === 'playing' &&
        touches(x / cssPerUnit, y / cssPerUnit, button.x, button.y, button.radius + 14)
      );
    },
  );

  function resize(): void {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(1, window.innerWidth);
    const height = Math.max(1, window.innerHeight);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    cssPerUnit = Math.min(height / HEIGHT, width / MIN_WIDTH);
    view.width = width / cssPerUnit;
    view.height = height / cssPerUnit;
    view.scale = cssPerUnit * ratio;
  }
  window.addEventListener('resize', () => {
    const oldWidth = view.width;
    resize();
    game.resized(oldWidth);
  });

  function setPaused(paused: boolean): void {
    game.paused = paused;
    sound.setSuspended(paused);
  }
  document.addEventListener('visibilitychange', () => {
    if (document.hidden && game.phase === 'playing') setPaused(true);
    else sound.setSuspended(document.hidden || game.paused);
  });

  let last = performance.now();
  function frame(now: number): void {
    // After a pause of the tab one frame may be very long: the world never moves that far at once.
    const dt = Math.min(Math.max(0, now - last) / 1000, 1 / 20);
    last = now;

    if (input.pressed('mute')) muted = sound.toggleMute();
    if (game.paused) {
      if (input.pressed('confirm') || input.pressed('pause')) setPaused(false);
    } else {
      if (input.pressed('pause') && game.phase === 'playing') setPaused(true);
      game.update(dt, input, cssPerUnit);
      renderer.update(game, dt);
      sound.update(game.intensity);
    }
    hud.update(game, dt);
    input.endFrame();

    context.setTransform(view.scale, 0, 0, view.scale, 0, 0);
    renderer.draw(context, game, view, particles);
    hud.draw(context, game, view, input.touch, muted);
    document.documentElement.dataset.ready = 'true';
    requestAnimationFrame(frame);
  }
  frame(last);
}

const canvas = document.querySelector<HTMLCanvasElement>('#game');
const context = canvas?.getContext('2d');
if (canvas && context) start(canvas, context);
