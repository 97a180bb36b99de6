/** A module of ordinary TypeScript, about 60 lines: types, a class, pure functions, a table. */
function moduleText(index: number, seed: number, imports: readonly number[]): string {
  const id = index;
  const number = (k: number): number => ((index + seed) * 31 + k * 7) % 997;
  const lines = imports.map((j) => `import { Entity${j}, step${j} } from './m${j}';`);
  lines.push(
    `export interface State${id} { x: number; y: number; vx: number; vy: number; tag: 'idle' | 'run' | 'jump'; hp?: number }`,
    `const table${id}: Record<string, number> = { ${Array.from({ length: 24 }, (_, k) => `k${k}: ${number(k)}`).join(', ')} };`,
    `export class Entity${id} {`,
    `  private readonly states: State${id}[] = [];`,
    `  readonly kind: number;`,
    `  constructor(kind: number) { this.kind = kind; }`,
    `  add(state: Partial<State${id}>): this {`,
    `    this.states.push({ x: 0, y: 0, vx: 1, vy: 1, tag: 'idle', ...state });`,
    '    return this;',
    '  }',
    '  update(dt: number): number {',
    '    let sum = 0;',
    '    for (const s of this.states) {',
    '      s.x += s.vx * dt;',
    '      s.y += s.vy * dt;',
    '      if (s.x < 0 || s.x > 640) s.vx = -s.vx;',
    '      if (s.y < 0 || s.y > 480) s.vy = -s.vy;',
    "      s.tag = Math.abs(s.vy) > 2 ? 'jump' : s.vx !== 0 ? 'run' : 'idle';",
    `      sum += (s.hp ?? 100) * (table${id}['k' + (Math.floor(s.x) % 24)] ?? 1);`,
    '    }',
    '    return sum;',
    '  }',
    '}',
  );
  for (let f = 0; f < 4; f += 1)
    lines.push(
      `export function helper${id}_${f}(a: number, b: readonly number[], options: { clamp?: boolean; scale?: number } = {}): number {`,
      `  const { clamp = true, scale = ${f + 1} } = options;`,
      '  const total = b.reduce((sum, value, n) => sum + value * (n + a) * scale, a);',
      '  return clamp ? Math.max(-1e6, Math.min(1e6, total)) : total;',
      '}',
    );
  const used = imports.map((j) => ` + step${j}(dt * ${(j % 5) + 1}) + new Entity${j}(0).update(dt)`).join('');
  lines.push(
    `export function step${id}(dt: number): number {`,
    `  const entity = new Entity${id}(${id}).add({ x: dt * 10, hp: 50 });`,
    `  return entity.update(dt) + helper${id}_0(dt, [1, 2, 3]) + helper${id}_1(dt, [entity.kind])${used};`,
    '}',
  );
  return `${lines.join('\n')}\n`;
}

/** A game of so many modules, a shallow tree below one page; other contents for every `seed`. `src/tick.ts` is the one to change. */
export function game(modules: number, seed: number): Record<string, string> {
  const files: Record<string, string> = {
    'index.html':
      '<!doctype html><html><head><meta charset="utf-8"><title>Game</title></head><body><canvas id="c"></canvas><script type="module" src="/src/main.ts"></script></body></html>\n',
    'src/tick.ts': 'export const tick = 0;\n',
    'src/main.ts': `import { step1 } from './m1';\nimport { tick } from './tick';\nconst context = (document.getElementById('c') as HTMLCanvasElement).getContext('2d');\nfunction frame(now: number): void {\n  context?.fillText(String(step1(now / 1000) + tick), 10, 10);\n  requestAnimationFrame(frame);\n}\nrequestAnimationFrame(frame);\n`,
  };
  for (let index = 1; index <= modules - 2; index += 1) {
    const imports = [index * 3 - 1, index * 3, index * 3 + 1].filter((j) => j <= modules - 2);
    files[`src/m${index}.ts`] = moduleText(index, seed, imports);
  }
  return files;
}
