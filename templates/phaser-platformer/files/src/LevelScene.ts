import Phaser from 'phaser';
import { paintAll } from './art';
import type { Sound } from './audio';
import config from './config.json';
import type { Controls } from './controls';
import { Level } from './level';
import { levelCount } from './levelMap';
import { newRun, type Run } from './run';
import { loadBest } from './storage';
import type { Ui } from './ui';

/** Runs one level after the other, and the screens between them. */
export class LevelScene extends Phaser.Scene {
  private run: Run = newRun('title');
  private level: Level | undefined;
  private shownPhase: Run['phase'] | undefined;
  private phaseAge = 0;
  private halted = false;

  constructor(
    private readonly controls: Controls,
    private readonly synth: Sound,
    private readonly ui: Ui,
  ) {
    super('level');
  }

  create(): void {
    if (!this.textures.exists('hero')) paintAll(this);
    this.level = new Level(this, this.run, this.controls, this.synth);
    this.shownPhase = undefined;
    this.fitCamera();
    this.scale.on('resize', this.fitCamera, this);
    this.events.once('shutdown', () => this.scale.off('resize', this.fitCamera, this));
    this.level.placeCamera();
    if (this.run.phase !== 'title') this.cameras.main.fadeIn(350, 19, 16, 51);
    this.controls.takeJump();
  }

  override update(_time: number, delta: number): void {
    const { level, run } = this;
    if (!level) return;
    const dt = Math.min(delta / 1000, 1 / 20);
    if (this.shownPhase !== run.phase) this.showPhase();
    this.phaseAge += dt;
    level.update(dt);
    this.ui.showTouch(this.controls.touch && run.phase === 'playing');
    this.ui.update(level.status());
    this.synth.update(run.phase === 'playing' ? Math.min(1, run.stage / 3) : 0);
  }

  confirm(): void {
    const { run } = this;
    if (!this.level) return;
    if (this.halted) {
      this.setHalted(false);
      return;
    }
    // A moment to read, so that the last jump does not skip the screen.
    if (run.phase === 'playing' || (run.phase !== 'title' && this.phaseAge < 0.9)) return;
    this.run = run.phase === 'won' ? { ...run, phase: 'playing', stage: run.stage + 1 } : newRun('playing');
    this.ui.hideScreen();
    this.synth.start();
    this.scene.restart();
  }

  get paused(): boolean {
    return this.halted;
  }

  togglePause(): void {
    this.setHalted(!this.halted);
  }

  setHalted(halted: boolean): void {
    if (halted === this.halted || (halted && this.run.phase !== 'playing')) return;
    this.halted = halted;
    this.synth.setSuspended(halted);
    if (halted) {
      this.scene.pause();
      this.ui.showScreen(
        'Paused',
        'P pauses · M mutes',
        this.controls.touch ? 'Tap to go on' : 'Press space to go on',
      );
    } else {
      this.scene.resume();
      this.ui.hideScreen();
    }
  }

  private showPhase(): void {
    const { run, ui, level } = this;
    this.shownPhase = run.phase;
    this.phaseAge = 0;
    ui.showHud(run.phase !== 'title');
    this.synth.setMusic(run.phase === 'playing' || run.phase === 'won');
    const press = this.controls.touch ? 'Tap' : 'Press space or tap';
    const score = `Score ${run.score.toLocaleString('en')}`;
    const best = `Best ${loadBest().toLocaleString('en')}`;
    if (run.phase === 'title') {
      const help = 'Run: arrows or A and D. Jump: space, twice to jump again.\nTouch: buttons on the screen.';
      ui.showScreen("Wick's\nWay Home", help, `${press} to start`);
    } else if (run.phase === 'won') {
      const last = (run.stage + 1) % levelCount === 0;
      const text = `${level?.summary() ?? ''}\n${score}`;
      ui.showScreen(
        last ? 'Home at last' : 'Level clear',
        text,
        last ? `${press} for a faster round` : `${press} to go on`,
      );
    } else if (run.phase === 'over') {
      ui.showScreen('Gone out', `${score} · ${best}`, `${press} to try again`);
    } else {
      ui.hideScreen();
    }
  }

  /** Shows the same height of the world whatever the size of the window. */
  private fitCamera(): void {
    const camera = this.cameras.main;
    const { width, height } = this.scale.gameSize;
    camera.setSize(width, height);
    camera.setZoom(Math.min(height / config.camera.height, width / config.camera.minWidth));
  }
}
