export const TAU = Math.PI * 2;

export const clamp = (value: number, min: number, max: number) => Math.min(max, Math.max(min, value));

export const lerp = (from: number, to: number, t: number) => from + (to - from) * t;

/** Moves towards a target at the same pace whatever the frame rate is. */
export const damp = (from: number, to: number, rate: number, dt: number) =>
  lerp(from, to, 1 - Math.exp(-rate * dt));

export const rand = (min: number, max: number) => min + Math.random() * (max - min);

export const easeOutCubic = (t: number) => 1 - (1 - t) ** 3;

/** Overshoots a little before it settles: good for things that pop in. */
export const easeOutBack = (t: number) => 1 + 2.7 * (t - 1) ** 3 + 1.7 * (t - 1) ** 2;

export const touches = (ax: number, ay: number, bx: number, by: number, distance: number) =>
  (ax - bx) ** 2 + (ay - by) ** 2 < distance * distance;
