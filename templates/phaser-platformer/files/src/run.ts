import config from './config.json';

export type Phase = 'title' | 'playing' | 'won' | 'over';

/** What outlives a level: each level is built afresh. */
export interface Run {
  phase: Phase;
  /** Counts on after the last level: the levels then start over, with faster creatures. */
  stage: number;
  score: number;
  hearts: number;
}

export const newRun = (phase: Phase): Run => ({ phase, stage: 0, score: 0, hearts: config.player.hearts });
