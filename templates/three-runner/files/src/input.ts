const LEFT = ['ArrowLeft', 'KeyA'];
const RIGHT = ['ArrowRight', 'KeyD'];
const JUMP = ['Space', 'ArrowUp', 'KeyW'];
const OTHER = ['Enter', 'KeyP', 'Escape', 'KeyM', 'ArrowDown'];

/** Farther than this, in CSS pixels, a touch is a drag and no longer a tap. */
const TAP_SLACK = 12;
const SWIPE_UP = 38;

/** Keyboard, mouse and touch, reduced to what the game asks for. */
export class Input {
  /** Sideways drag since the last frame, in CSS pixels. */
  drag = 0;
  touch = false;
  onGesture = () => {};
  onConfirm = () => {};
  onPause = () => {};
  onMute = () => {};

  private readonly held = new Set<string>();
  private jumpPressed = false;
  private pointer: { id: number; x: number; y: number; moved: number; rise: number } | undefined;

  constructor(canvas: HTMLElement) {
    window.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const { code } = event;
      const jump = JUMP.includes(code);
      if (!jump && !LEFT.includes(code) && !RIGHT.includes(code) && !OTHER.includes(code)) return;
      event.preventDefault();
      if (event.repeat) return;
      this.held.add(code);
      this.onGesture();
      if (jump) this.jumpPressed = true;
      if (code === 'KeyM') this.onMute();
      else if (code === 'KeyP' || code === 'Escape') this.onPause();
      else if (code === 'Space' || code === 'Enter') this.onConfirm();
    });
    window.addEventListener('keyup', (event) => this.held.delete(event.code));
    window.addEventListener('blur', () => this.held.clear());

    canvas.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      this.touch = event.pointerType === 'touch';
      this.onGesture();
      this.onConfirm();
      // A second finger jumps at once, while the first goes on steering.
      if (this.pointer) this.jumpPressed = true;
      else this.pointer = { id: event.pointerId, x: event.clientX, y: event.clientY, moved: 0, rise: 0 };
    });
    window.addEventListener('pointermove', (event) => {
      const { pointer } = this;
      if (pointer?.id !== event.pointerId) return;
      const dx = event.clientX - pointer.x;
      const dy = event.clientY - pointer.y;
      this.drag += dx;
      pointer.moved += Math.abs(dx) + Math.abs(dy);
      // A swipe up jumps too; going down makes ready for the next one.
      pointer.rise = Math.max(0, pointer.rise - dy);
      if (pointer.rise > SWIPE_UP) {
        this.jumpPressed = true;
        pointer.rise = 0;
      }
      pointer.x = event.clientX;
      pointer.y = event.clientY;
    });
    window.addEventListener('pointerup', (event) => {
      const { pointer } = this;
      if (pointer?.id !== event.pointerId) return;
      if (pointer.moved < TAP_SLACK) this.jumpPressed = true;
      this.pointer = undefined;
    });
    window.addEventListener('pointercancel', (event) => {
      if (this.pointer?.id === event.pointerId) this.pointer = undefined;
    });
    canvas.addEventListener('contextmenu', (event) => event.preventDefault());
  }

  get direction(): number {
    const has = (codes: string[]) => codes.some((code) => this.held.has(code));
    return Number(has(RIGHT)) - Number(has(LEFT));
  }

  takeJump(): boolean {
    const pressed = this.jumpPressed;
    this.jumpPressed = false;
    return pressed;
  }

  takeDrag(): number {
    const { drag } = this;
    this.drag = 0;
    return drag;
  }
}
