const MOVE_KEYS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  KeyA: [-1, 0],
  ArrowRight: [1, 0],
  KeyD: [1, 0],
  ArrowUp: [0, -1],
  KeyW: [0, -1],
  ArrowDown: [0, 1],
  KeyS: [0, 1],
};

export type Action = 'confirm' | 'nova' | 'pause' | 'mute';

const ACTION_KEYS: Record<string, Action[]> = {
  Space: ['nova', 'confirm'],
  Enter: ['confirm'],
  KeyP: ['pause'],
  Escape: ['pause'],
  KeyM: ['mute'],
};

/** Keyboard, mouse and touch, reduced to what the game asks for. */
export class Input {
  /** Drag since the last frame, in CSS pixels. The ship moves by as much, wherever the finger is. */
  dragX = 0;
  dragY = 0;
  /** True once a finger was used: the game then shows its on-screen button. */
  touch = false;

  private readonly held = new Set<string>();
  private readonly actions = new Set<Action>();
  private dragId: number | undefined;
  private lastX = 0;
  private lastY = 0;

  /**
   * @param onGesture called on every press: the moment when browsers allow audio to start
   * @param isNovaButton tells whether a point of the page is on the on-screen nova button
   */
  constructor(canvas: HTMLElement, onGesture: () => void, isNovaButton: (x: number, y: number) => boolean) {
    window.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const known = event.code in MOVE_KEYS || event.code in ACTION_KEYS;
      if (!known) return;
      event.preventDefault();
      if (event.repeat) return;
      this.held.add(event.code);
      for (const action of ACTION_KEYS[event.code] ?? []) this.actions.add(action);
      onGesture();
    });
    window.addEventListener('keyup', (event) => this.held.delete(event.code));
    window.addEventListener('blur', () => this.held.clear());

    canvas.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      this.touch = event.pointerType === 'touch';
      this.actions.add('confirm');
      // A second finger, the right mouse button or the on-screen button set off the nova.
      const second = this.dragId !== undefined && this.dragId !== event.pointerId;
      if (second || event.button === 2 || isNovaButton(event.clientX, event.clientY)) {
        this.actions.add('nova');
      } else {
        this.dragId = event.pointerId;
        this.lastX = event.clientX;
        this.lastY = event.clientY;
      }
      onGesture();
    });
    window.addEventListener('pointermove', (event) => {
      if (event.pointerId !== this.dragId) return;
      this.dragX += event.clientX - this.lastX;
      this.dragY += event.clientY - this.lastY;
      this.lastX = event.clientX;
      this.lastY = event.clientY;
    });
    const release = (event: PointerEvent) => {
      if (event.pointerId === this.dragId) this.dragId = undefined;
    };
    window.addEventListener('pointerup', release);
    window.addEventListener('pointercancel', release);
    canvas.addEventListener('contextmenu', (event) => event.preventDefault());
  }

  /** The direction of the held keys, no longer than 1. */
  direction(): { x: number; y: number } {
    let x = 0;
    let y = 0;
    for (const code of this.held) {
      const [dx, dy] = MOVE_KEYS[code] ?? [0, 0];
      x += dx;
      y += dy;
    }
    const length = Math.hypot(x, y) || 1;
    return { x: x / Math.max(1, length), y: y / Math.max(1, length) };
  }

  pressed(action: Action): boolean {
    return this.actions.has(action);
  }

  /** Forgets what happened in this frame; call it once at the end of each. */
  endFrame(): void {
    this.actions.clear();
    this.dragX = 0;
    this.dragY = 0;
  }
}
