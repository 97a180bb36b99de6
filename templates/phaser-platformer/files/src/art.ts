import type Phaser from 'phaser';

/** Pictures are painted at twice their size in the world, so that they stay sharp when zoomed. */
export const DETAIL = 2;

export const PALETTE = {
  cream: '#fff1d6',
  amber: '#ffb454',
  ember: '#ff7a3d',
  rose: '#ff5d7a',
  mint: '#5ff0c0',
  lilac: '#c9b8ff',
  soil: '#191038',
};

type Paint = (context: CanvasRenderingContext2D, width: number, height: number) => void;

/** Makes a texture by painting on a canvas; sizes are in world units. */
export function paintTexture(
  scene: Phaser.Scene,
  key: string,
  width: number,
  height: number,
  paint: Paint,
  detail = DETAIL,
): void {
  if (scene.textures.exists(key)) scene.textures.remove(key);
  const texture = scene.textures.createCanvas(key, Math.ceil(width * detail), Math.ceil(height * detail));
  if (!texture) return;
  texture.context.scale(detail, detail);
  paint(texture.context, width, height);
  texture.refresh();
}

function paintGlow(color: string): Paint {
  return (context, width) => {
    const half = width / 2;
    const fade = context.createRadialGradient(half, half, 0, half, half, half);
    fade.addColorStop(0, `${color}cc`);
    fade.addColorStop(0.3, `${color}55`);
    fade.addColorStop(1, `${color}00`);
    context.fillStyle = fade;
    context.fillRect(0, 0, width, width);
  };
}

function paintDot(color: string): Paint {
  return (context, width) => {
    const half = width / 2;
    const fade = context.createRadialGradient(half, half, 0, half, half, half);
    fade.addColorStop(0, '#ffffff');
    fade.addColorStop(0.35, color);
    fade.addColorStop(1, `${color}00`);
    context.fillStyle = fade;
    context.fillRect(0, 0, width, width);
  };
}

function flamePath(context: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  context.beginPath();
  context.moveTo(x + size * 0.08, y - size);
  context.bezierCurveTo(
    x + size * 0.2,
    y - size * 0.45,
    x + size * 0.85,
    y - size * 0.2,
    x + size * 0.72,
    y + size * 0.4,
  );
  context.bezierCurveTo(
    x + size * 0.6,
    y + size * 0.95,
    x - size * 0.6,
    y + size * 0.95,
    x - size * 0.72,
    y + size * 0.4,
  );
  context.bezierCurveTo(x - size * 0.8, y, x - size * 0.4, y - size * 0.1, x - size * 0.35, y - size * 0.5);
  context.bezierCurveTo(x - size * 0.1, y - size * 0.4, x, y - size * 0.7, x + size * 0.08, y - size);
  context.closePath();
}

const paintHero: Paint = (context) => {
  const body = context.createLinearGradient(0, 2, 0, 50);
  body.addColorStop(0, '#ff5d4d');
  body.addColorStop(0.5, '#ff8a3d');
  body.addColorStop(1, '#ffc35a');
  context.fillStyle = body;
  flamePath(context, 24, 29, 25);
  context.fill();
  const heart = context.createLinearGradient(0, 22, 0, 50);
  heart.addColorStop(0, '#ffd166');
  heart.addColorStop(1, '#fff6d8');
  context.fillStyle = heart;
  flamePath(context, 24, 36, 15);
  context.fill();
};

const paintEyes: Paint = (context) => {
  for (const x of [7, 19]) {
    context.fillStyle = '#451333';
    context.beginPath();
    context.ellipse(x, 7, 3, 4.4, 0, 0, Math.PI * 2);
    context.fill();
    context.fillStyle = '#ffffff';
    context.beginPath();
    context.arc(x + 1, 5.4, 1.2, 0, Math.PI * 2);
    context.fill();
  }
  context.strokeStyle = '#451333';
  context.lineWidth = 1.6;
  context.lineCap = 'round';
  context.beginPath();
  context.arc(13, 9.5, 2.4, 0.3, Math.PI - 0.3);
  context.stroke();
};

const paintEmber: Paint = (context) => {
  const fill = context.createRadialGradient(9, 8, 1, 11, 11, 10);
  fill.addColorStop(0, '#fffbe8');
  fill.addColorStop(0.5, '#ffd166');
  fill.addColorStop(1, '#ff9a3d');
  context.fillStyle = fill;
  context.beginPath();
  context.arc(11, 11, 9, 0, Math.PI * 2);
  context.fill();
  context.fillStyle = '#ff7a3d';
  flamePath(context, 11, 11.5, 5);
  context.fill();
};

const paintHeart: Paint = (context) => {
  context.fillStyle = PALETTE.rose;
  context.beginPath();
  context.moveTo(14, 25);
  context.bezierCurveTo(-4, 12, 5, -1, 14, 8);
  context.bezierCurveTo(23, -1, 32, 12, 14, 25);
  context.fill();
  context.fillStyle = 'rgba(255, 255, 255, 0.7)';
  context.beginPath();
  context.ellipse(9, 9.5, 2.4, 3.6, 0.6, 0, Math.PI * 2);
  context.fill();
};

/** A creep: a dark moss ball with a mean look, on two feet. */
const paintCreep: Paint = (context) => {
  context.fillStyle = '#17102f';
  context.beginPath();
  context.ellipse(14, 35, 6, 3.4, 0, 0, Math.PI * 2);
  context.ellipse(30, 35, 6, 3.4, 0, 0, Math.PI * 2);
  context.fill();
  const fill = context.createLinearGradient(0, 4, 0, 36);
  fill.addColorStop(0, '#8f6bff');
  fill.addColorStop(1, '#3b2080');
  context.fillStyle = fill;
  context.beginPath();
  context.moveTo(4, 34);
  context.bezierCurveTo(0, 10, 10, 4, 22, 4);
  context.bezierCurveTo(34, 4, 44, 10, 40, 34);
  context.quadraticCurveTo(22, 39, 4, 34);
  context.fill();
  context.fillStyle = '#5ff0c0';
  for (const [x, turn] of [
    [12, -0.5],
    [22, 0],
    [31, 0.5],
  ]) {
    context.beginPath();
    context.ellipse(x, 5, 2.4, 5, turn, 0, Math.PI * 2);
    context.fill();
  }
  for (const x of [15, 29]) {
    context.fillStyle = '#fff1d6';
    context.beginPath();
    context.ellipse(x, 20, 5, 5.5, 0, 0, Math.PI * 2);
    context.fill();
    context.fillStyle = '#17102f';
    context.beginPath();
    context.arc(x - 1, 21, 2.4, 0, Math.PI * 2);
    context.fill();
  }
  context.strokeStyle = '#17102f';
  context.lineWidth = 2.6;
  context.lineCap = 'round';
  context.beginPath();
  context.moveTo(9, 13);
  context.lineTo(19, 16);
  context.moveTo(35, 13);
  context.lineTo(25, 16);
  context.stroke();
};

const paintMoth: Paint = (context) => {
  const fill = context.createLinearGradient(0, 4, 0, 34);
  fill.addColorStop(0, '#ff8fb8');
  fill.addColorStop(1, '#a2356f');
  context.fillStyle = fill;
  for (const side of [-1, 1]) {
    context.beginPath();
    context.moveTo(26, 18);
    context.bezierCurveTo(26 + side * 6, -4, 26 + side * 30, 2, 26 + side * 23, 18);
    context.bezierCurveTo(26 + side * 24, 32, 26 + side * 8, 36, 26, 20);
    context.fill();
  }
  context.fillStyle = '#ffd9e6';
  for (const x of [13, 39]) {
    context.beginPath();
    context.arc(x, 13, 3.6, 0, Math.PI * 2);
    context.fill();
  }
  context.fillStyle = '#3a1240';
  context.beginPath();
  context.ellipse(26, 19, 5, 12, 0, 0, Math.PI * 2);
  context.fill();
  context.fillStyle = '#ffd166';
  for (const x of [24, 28.5]) {
    context.beginPath();
    context.arc(x, 12, 1.8, 0, Math.PI * 2);
    context.fill();
  }
};

const paintThorns: Paint = (context) => {
  const fill = context.createLinearGradient(0, 8, 0, 40);
  fill.addColorStop(0, '#ffd9dc');
  fill.addColorStop(0.35, '#ff5d7a');
  fill.addColorStop(1, '#6a1a52');
  context.fillStyle = fill;
  for (const [x, height, lean] of [
    [7, 24, -3],
    [20, 31, 2],
    [33, 25, 4],
  ]) {
    context.beginPath();
    context.moveTo(x - 8, 40);
    context.quadraticCurveTo(x - 2, 40 - height * 0.5, x + lean, 40 - height);
    context.quadraticCurveTo(x + 3, 40 - height * 0.4, x + 8, 40);
    context.fill();
  }
};

const paintMushroom: Paint = (context) => {
  const stem = context.createLinearGradient(14, 0, 34, 0);
  stem.addColorStop(0, '#fff1d6');
  stem.addColorStop(1, '#b899a8');
  context.fillStyle = stem;
  context.beginPath();
  context.roundRect(16, 16, 16, 20, 6);
  context.fill();
  const cap = context.createLinearGradient(0, 2, 0, 24);
  cap.addColorStop(0, '#5ff0c0');
  cap.addColorStop(1, '#1c8f8a');
  context.fillStyle = cap;
  context.beginPath();
  context.moveTo(3, 22);
  context.bezierCurveTo(4, -4, 44, -4, 45, 22);
  context.quadraticCurveTo(24, 28, 3, 22);
  context.fill();
  context.fillStyle = 'rgba(255, 255, 255, 0.75)';
  for (const [x, y, radius] of [
    [15, 12, 3.2],
    [28, 8, 2.4],
    [36, 16, 3],
  ]) {
    context.beginPath();
    context.arc(x, y, radius, 0, Math.PI * 2);
    context.fill();
  }
};

function paintLantern(lit: boolean): Paint {
  return (context) => {
    context.strokeStyle = '#0f0a26';
    context.lineWidth = 5;
    context.lineCap = 'round';
    context.beginPath();
    context.moveTo(16, 78);
    context.lineTo(16, 8);
    context.quadraticCurveTo(16, 3, 24, 3);
    context.lineTo(32, 3);
    context.stroke();
    context.fillStyle = lit ? '#ffd166' : '#3c3168';
    context.beginPath();
    context.roundRect(24, 12, 17, 22, 5);
    context.fill();
    if (lit) {
      context.fillStyle = '#fffbe8';
      flamePath(context, 32.5, 24, 6);
      context.fill();
    }
    context.strokeStyle = '#0f0a26';
    context.lineWidth = 2.6;
    context.stroke();
    context.beginPath();
    context.roundRect(24, 12, 17, 22, 5);
    context.moveTo(32, 4);
    context.lineTo(32, 12);
    context.stroke();
  };
}

const paintKiln: Paint = (context) => {
  const brick = context.createLinearGradient(0, 0, 150, 0);
  brick.addColorStop(0, '#a8506a');
  brick.addColorStop(0.5, '#7d3560');
  brick.addColorStop(1, '#431d4d');
  context.fillStyle = brick;
  context.beginPath();
  context.roundRect(96, 4, 26, 60, 4);
  context.fill();
  context.beginPath();
  context.moveTo(6, 140);
  context.lineTo(6, 96);
  context.bezierCurveTo(8, 20, 142, 20, 144, 96);
  context.lineTo(144, 140);
  context.closePath();
  context.fill();
  context.save();
  context.clip();
  context.strokeStyle = 'rgba(30, 8, 45, 0.35)';
  context.lineWidth = 2;
  for (let row = 0; row < 9; row++) {
    const y = 32 + row * 13;
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(150, y);
    for (let x = (row % 2) * 13; x < 150; x += 26) {
      context.moveTo(x, y);
      context.lineTo(x, y + 13);
    }
    context.stroke();
  }
  context.restore();
  const fire = context.createRadialGradient(75, 128, 4, 75, 120, 50);
  fire.addColorStop(0, '#fffbe8');
  fire.addColorStop(0.35, '#ffd166');
  fire.addColorStop(0.75, '#ff7a3d');
  fire.addColorStop(1, '#b3204f');
  context.fillStyle = fire;
  context.beginPath();
  context.moveTo(45, 140);
  context.lineTo(45, 108);
  context.bezierCurveTo(46, 70, 104, 70, 105, 108);
  context.lineTo(105, 140);
  context.closePath();
  context.fill();
  context.strokeStyle = '#2a0f38';
  context.lineWidth = 5;
  context.stroke();
};

const paintPlank: Paint = (context, width, height) => {
  const fill = context.createLinearGradient(0, 0, 0, height);
  fill.addColorStop(0, '#ffcf8a');
  fill.addColorStop(0.3, '#c97a5a');
  fill.addColorStop(1, '#6b2f52');
  context.fillStyle = fill;
  context.beginPath();
  context.roundRect(0, 0, width, height, 8);
  context.fill();
  context.fillStyle = 'rgba(50, 15, 50, 0.35)';
  for (const x of [width / 3, (width * 2) / 3]) context.fillRect(x - 1, 3, 2, height - 6);
};

/** Paints every picture of the game, except the ground (terrain.ts) and the sky (backdrop.ts). */
export function paintAll(scene: Phaser.Scene): void {
  const pictures: [string, number, number, Paint][] = [
    ['hero', 48, 54, paintHero],
    ['eyes', 26, 16, paintEyes],
    ['ember', 22, 22, paintEmber],
    ['heart', 28, 28, paintHeart],
    ['creep', 44, 40, paintCreep],
    ['moth', 52, 38, paintMoth],
    ['thorns', 40, 40, paintThorns],
    ['mushroom', 48, 36, paintMushroom],
    ['lantern', 46, 80, paintLantern(false)],
    ['lantern-lit', 46, 80, paintLantern(true)],
    ['kiln', 150, 142, paintKiln],
    ['plank', 120, 20, paintPlank],
    ['glow-amber', 128, 128, paintGlow('#ff9a4d')],
    ['glow-rose', 128, 128, paintGlow('#ff5d8a')],
    ['glow-mint', 128, 128, paintGlow('#5ff0c0')],
    ['dot-amber', 16, 16, paintDot('#ffb454')],
    ['dot-ember', 16, 16, paintDot('#ff6a3d')],
    ['dot-rose', 16, 16, paintDot('#ff5d8a')],
    ['dot-mint', 16, 16, paintDot('#5ff0c0')],
    ['dot-violet', 16, 16, paintDot('#8f6bff')],
    ['dust', 16, 16, paintGlow('#e5daff')],
  ];
  for (const [key, width, height, paint] of pictures) {
    // Glows are soft: half the pixels do.
    paintTexture(scene, key, width, height, paint, key.startsWith('glow') ? 1 : DETAIL);
  }
}
