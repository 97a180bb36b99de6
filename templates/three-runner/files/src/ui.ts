// The texts are HTML over the picture: sharp at any size, and styled in style.css.
function find(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element with the id "${id}"`);
  return element;
}

export interface Status {
  score: number;
  meters: number;
  place: string;
  multiplier: number;
  /** 0..1 towards the next shield. */
  charge: number;
  shield: boolean;
}

export class Ui {
  private readonly hud = find('hud');
  private readonly screen = find('screen');
  private readonly toastBox = find('toast');
  private readonly flashBox = find('flash');
  private readonly shown = new Map<string, string>();

  showScreen(headline: string, message: string, prompt: string): void {
    this.write('headline', headline);
    this.write('message', message);
    this.write('prompt', prompt);
    this.screen.classList.add('shown');
  }

  hideScreen(): void {
    this.screen.classList.remove('shown');
  }

  showHud(shown: boolean): void {
    this.hud.hidden = !shown;
  }

  toast(text: string): void {
    this.toastBox.textContent = text;
    this.toastBox.animate(
      [
        { opacity: 0, transform: 'translateY(14px) scale(0.8)' },
        { opacity: 1, transform: 'none', offset: 0.2 },
        { opacity: 1, transform: 'none', offset: 0.7 },
        { opacity: 0, transform: 'translateY(-24px)' },
      ],
      { duration: 1100, easing: 'ease-out' },
    );
  }

  flash(strength: number): void {
    this.flashBox.animate([{ opacity: strength }, { opacity: 0 }], { duration: 420, easing: 'ease-out' });
  }

  update(status: Status): void {
    this.write('score', Math.floor(status.score).toLocaleString('en'));
    this.write('distance', `${Math.floor(status.meters / 10) * 10} m · ${status.place}`);
    this.write('multiplier', `×${status.multiplier}`);
    this.write('shield-label', status.shield ? 'Shield ready' : 'Shield');
    const bar = find('shield').firstElementChild;
    const width = `${Math.round((status.shield ? 1 : status.charge) * 100)}%`;
    if (bar instanceof HTMLElement && bar.style.width !== width) bar.style.width = width;
  }

  /** Touches the page only when the text changed. */
  private write(id: string, text: string): void {
    if (this.shown.get(id) === text) return;
    this.shown.set(id, text);
    find(id).textContent = text;
  }
}
