import { WebGLRenderer } from 'three';
import { Sound } from './audio';
import { Game } from './game';
import { Input } from './input';
import { Ui } from './ui';

const canvas = document.querySelector<HTMLCanvasElement>('#game');
const ui = new Ui();

function hasWebGl(): boolean {
  try {
    const context = document.createElement('canvas').getContext('webgl2');
    context?.getExtension('WEBGL_lose_context')?.loseContext();
    return context !== null;
  } catch {
    return false;
  }
}

function start(target: HTMLCanvasElement): void {
  const renderer = new WebGLRenderer({
    canvas: target,
    antialias: true,
    // Lets screenshots be taken of the canvas.
    preserveDrawingBuffer: true,
    powerPreference: 'high-performance',
  });
  const input = new Input(target);
  const sound = new Sound();
  const game = new Game(input, sound, ui);
  let quality = 1;

  function resize(): void {
    const ratio = Math.min(window.devicePixelRatio || 1, 2) * quality;
    renderer.setPixelRatio(ratio);
    renderer.setSize(window.innerWidth, window.innerHeight, false);
    game.resize(window.innerWidth, window.innerHeight, window.innerHeight * ratio);
  }
  resize();
  window.addEventListener('resize', resize);

  input.onGesture = () => sound.unlock();
  input.onConfirm = () => game.confirm();
  input.onPause = () => game.togglePause();
  input.onMute = () => sound.toggleMute();
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) game.setPaused(true);
    sound.setSuspended(document.hidden || !game.playing);
  });

  let last = performance.now();
  let slowTime = 0;
  function frame(now: number): void {
    const elapsed = Math.max(0, now - last) / 1000;
    last = now;
    // Slow devices get fewer pixels rather than fewer frames.
    slowTime = elapsed > 1 / 34 && elapsed < 0.5 ? slowTime + elapsed : Math.max(0, slowTime - elapsed);
    if (slowTime > 1 && quality > 0.5) {
      quality = Math.max(0.5, quality * 0.8);
      slowTime = 0;
      resize();
    }
    game.update(Math.min(elapsed, 1 / 20));
    renderer.render(game.scene, game.camera);
    document.documentElement.dataset.ready = 'true';
    requestAnimationFrame(frame);
  }
  frame(last);
}

if (canvas && hasWebGl()) {
  start(canvas);
} else {
  const help =
    'This game needs WebGL 2, which this browser does not offer.\nTry to turn on hardware acceleration.';
  ui.showScreen('Solar Drift', help, '');
  document.documentElement.dataset.ready = 'true';
}
