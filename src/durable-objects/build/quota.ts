import { limits } from '../../contract/limits.ts';
import { configOf } from '../../core/config.ts';
import { type RatePolicy, type Standing, scaled } from '../../core/rate.ts';
import { answered } from '../rpc.ts';
import { throttle } from '../stubs.ts';

const countOf = (env: Env, userId: string) => throttle(env, `builds:${userId}`);

/** How many builds a user may give to runners in a day. */
export const buildPolicy = (env: Env): RatePolicy => scaled(limits.rates.buildsPerDay, configOf(env).rateScale);

/** Counts one build of a user where it fits. */
export const takeBuild = (env: Env, userId: string): Promise<Standing> =>
  answered(countOf(env, userId).take(buildPolicy(env)), limits.guard.patience);

/** How many builds of their day a user has used. */
export const lookAtBuilds = (env: Env, userId: string): Promise<Standing> =>
  answered(countOf(env, userId).look(buildPolicy(env)), limits.guard.patience);

/** One build of a user less. */
export const giveBuildBack = (env: Env, userId: string): Promise<void> =>
  answered(countOf(env, userId).refund(buildPolicy(env)), limits.guard.patience);
