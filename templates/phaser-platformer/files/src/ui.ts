// The texts are HTML over the game: sharp at any size, and styled in style.css.
function find(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element with the id "${id}"`);
  return element;
}

export interface Status {
  hearts: number;
  maxHearts: number;
  score: number;
  embers: number;
  embersInLevel: number;
  level: string;
}

export class Ui {
  private readonly hud = find('hud');
  private readonly screen = find('screen');
  private readonly touch = find('touch');
  private last = '';

  showScreen(headline: string, message: string, prompt: string): void {
    find('headline').textContent = headline;
    find('message').textContent = message;
    find('prompt').textContent = prompt;
    this.screen.classList.add('shown');
  }

  hideScreen(): void {
    this.screen.classList.remove('shown');
  }

  showHud(shown: boolean): void {
    this.hud.hidden = !shown;
  }

  showTouch(shown: boolean): void {
    if (this.touch.hidden === shown) this.touch.hidden = !shown;
  }

  update(status: Status): void {
    // Called every frame: touches the page only when something changed.
    const key = JSON.stringify(status);
    if (key === this.last) return;
    this.last = key;
    const lost = document.createElement('i');
    lost.textContent = '♥'.repeat(Math.max(0, status.maxHearts - status.hearts));
    find('hearts').replaceChildren('♥'.repeat(Math.max(0, status.hearts)), lost);
    find('embers').textContent = `● ${status.embers} / ${status.embersInLevel}`;
    find('score').textContent = status.score.toLocaleString('en');
    find('level').textContent = status.level;
  }
}
