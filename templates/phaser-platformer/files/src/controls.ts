const LEFT = ['ArrowLeft', 'KeyA'];
const RIGHT = ['ArrowRight', 'KeyD'];
const JUMP = ['Space', 'ArrowUp', 'KeyW', 'KeyZ'];
const OTHER = ['Enter', 'KeyP', 'Escape', 'KeyM', 'ArrowDown'];

/** Keyboard and the on-screen buttons, reduced to what the game asks for. */
export class Controls {
  /** True once a finger was used: the on-screen buttons then show. */
  touch = false;
  onGesture = () => {};
  onConfirm = () => {};
  onPause = () => {};
  onMute = () => {};

  private readonly held = new Set<string>();
  private jumpPressed = false;

  constructor() {
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

    // A tap anywhere but on a button confirms. The buttons stop their events before they get here.
    window.addEventListener('pointerdown', (event) => {
      this.touch = event.pointerType === 'touch';
      this.onGesture();
      this.onConfirm();
    });
    window.addEventListener('contextmenu', (event) => event.preventDefault());
    this.bindButton('touch-left', LEFT[0]);
    this.bindButton('touch-right', RIGHT[0]);
    this.bindButton('touch-jump', JUMP[0]);
  }

  get direction(): number {
    const has = (codes: string[]) => codes.some((code) => this.held.has(code));
    return Number(has(RIGHT)) - Number(has(LEFT));
  }

  get jumpHeld(): boolean {
    return JUMP.some((code) => this.held.has(code));
  }

  /** True once for each press. */
  takeJump(): boolean {
    const pressed = this.jumpPressed;
    this.jumpPressed = false;
    return pressed;
  }

  private bindButton(id: string, code: string): void {
    const button = document.getElementById(id);
    if (!button) return;
    const release = () => {
      this.held.delete(code);
      button.classList.remove('held');
    };
    button.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      event.stopPropagation();
      button.setPointerCapture(event.pointerId);
      this.touch = event.pointerType === 'touch';
      this.held.add(code);
      if (JUMP.includes(code)) this.jumpPressed = true;
      button.classList.add('held');
      this.onGesture();
    });
    button.addEventListener('pointerup', release);
    button.addEventListener('pointercancel', release);
    button.addEventListener('lostpointercapture', release);
  }
}
