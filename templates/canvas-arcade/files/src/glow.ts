// Blurred shadows are slow on a canvas. A soft disc painted once per colour and added to the picture
// looks the same and is nearly free.
const SIZE = 128;
const cache = new Map<string, HTMLCanvasElement>();

function glowSprite(color: string): HTMLCanvasElement {
  const cached = cache.get(color);
  if (cached) return cached;
  const sprite = document.createElement('canvas');
  sprite.width = SIZE;
  sprite.height = SIZE;
  const context = sprite.getContext('2d');
  if (context) {
    const half = SIZE / 2;
    const fade = context.createRadialGradient(half, half, 0, half, half, half);
    fade.addColorStop(0, color);
    fade.addColorStop(0.25, `${color}99`);
    fade.addColorStop(0.55, `${color}2e`);
    fade.addColorStop(1, `${color}00`);
    context.fillStyle = fade;
    context.fillRect(0, 0, SIZE, SIZE);
  }
  cache.set(color, sprite);
  return sprite;
}

/** Adds a soft light of a `#rrggbb` colour. Draw with `globalCompositeOperation = 'lighter'`. */
export function drawGlow(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  color: string,
) {
  context.drawImage(glowSprite(color), x - radius, y - radius, radius * 2, radius * 2);
}
