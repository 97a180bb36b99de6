import Phaser from 'phaser';
import { Sound } from './audio';
import { Controls } from './controls';
import { LevelScene } from './LevelScene';
import { Ui } from './ui';

const controls = new Controls();
const sound = new Sound();
const scene = new LevelScene(controls, sound, new Ui());

// Phaser counts in real pixels here, and the page shows them at their CSS size: sharp on every screen.
const pixelRatio = () => Math.min(window.devicePixelRatio || 1, 2);

const game = new Phaser.Game({
  type: Phaser.AUTO,
  parent: 'game',
  width: window.innerWidth * pixelRatio(),
  height: window.innerHeight * pixelRatio(),
  backgroundColor: '#131033',
  banner: false,
  // Sounds and keys are our own (audio.ts, controls.ts).
  audio: { noAudio: true },
  input: { keyboard: false, mouse: false, touch: false, gamepad: false },
  disableContextMenu: true,
  scale: { mode: Phaser.Scale.NONE, zoom: 1 / pixelRatio() },
  render: { preserveDrawingBuffer: true, powerPreference: 'high-performance' },
  physics: { default: 'arcade', arcade: { gravity: { x: 0, y: 0 } } },
  scene,
});

window.addEventListener('resize', () => {
  const { innerWidth, innerHeight } = window;
  game.scale.setZoom(1 / pixelRatio());
  game.scale.resize(innerWidth * pixelRatio(), innerHeight * pixelRatio());
  // Phaser leaves an old CSS size in place when the new one equals the size in pixels.
  game.canvas.style.width = `${innerWidth}px`;
  game.canvas.style.height = `${innerHeight}px`;
});

controls.onGesture = () => sound.unlock();
controls.onConfirm = () => scene.confirm();
controls.onPause = () => scene.togglePause();
controls.onMute = () => sound.toggleMute();
document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    scene.setHalted(true);
    sound.setSuspended(true);
  } else if (!scene.paused) {
    sound.setSuspended(false);
  }
});

// The first frames may come before the scene is built.
game.events.on(Phaser.Core.Events.POST_RENDER, function ready() {
  if (!scene.sys.isActive()) return;
  document.documentElement.dataset.ready = 'true';
  game.events.off(Phaser.Core.Events.POST_RENDER, ready);
});
