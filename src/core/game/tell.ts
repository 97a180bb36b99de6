import { explain, type Surroundings } from './explain.ts';
import { type Place, type Reading, type Said, spotOf, wordsOf } from './said.ts';

/** A message as its reader gets it. */
export interface Told extends Place {
  readonly message: string;
}

export interface Telling extends Reading, Pick<Surroundings, 'paths' | 'packages' | 'isStyle'> {}

/** Tells what a compiler says in plain words, with what to do and where: in previews as in builds. */
export function tell(said: Said, telling: Telling): Told {
  const { location } = said;
  const file = location === null ? undefined : telling.nameOf(location.file);
  const around = { ...telling, from: file ?? null, line: location?.lineText };
  const message = explain(wordsOf(said, telling), around);
  if (location === null || file === undefined) return { message };
  return { message, file, ...(location.line > 0 ? spotOf(location, telling.inline) : {}) };
}
