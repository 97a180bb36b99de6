import * as z from 'zod';
import { errorCodes } from '../../../src/contract/errors.ts';
import { BuildStep } from '../../../src/contract/jobs.ts';
import { type ChildMessage, childPhases } from './child/protocol.ts';

const level = z.enum(['debug', 'info', 'warn', 'error']);

/** Messages of a child as they are believed. */
export const ChildMessageSchema: z.ZodType<ChildMessage> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('rehearsed') }),
  z.object({
    type: z.literal('log'),
    level,
    step: BuildStep,
    message: z.string(),
    file: z.string().optional(),
    line: z.int().optional(),
    column: z.int().optional(),
    source: z.string().optional(),
  }),
  z.object({ type: z.literal('progress'), step: BuildStep, done: z.number().min(0).max(1) }),
  z.object({ type: z.literal('timing'), phase: z.enum(childPhases), ms: z.number().min(0) }),
  z.object({ type: z.literal('written') }),
  z.object({ type: z.literal('success') }),
  z.object({ type: z.literal('lost'), code: z.int().nullable(), signal: z.string().nullable() }),
  z.object({ type: z.literal('short'), of: z.enum(['memory', 'disk']) }),
  z.object({
    type: z.literal('failure'),
    kind: z.enum(['user', 'limit', 'infra']),
    code: z.enum(errorCodes),
    message: z.string(),
  }),
]);
