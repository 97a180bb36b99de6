import * as z from 'zod';
import { endpoint } from '../endpoint.ts';
import { Health, Readiness } from '../system.ts';
import { everyone } from './access.ts';

/** Health and description of the system. */
export const systemEndpoints = {
  health: endpoint({
    method: 'GET',
    path: '/health',
    tag: 'System',
    summary: 'The process answers',
    access: everyone,
    responses: { 200: { description: 'Alive', json: Health } },
  }),
  readiness: endpoint({
    method: 'GET',
    path: '/health/ready',
    tag: 'System',
    summary: 'Every part answers',
    access: everyone,
    responses: {
      200: { description: 'Ready, or degraded', json: Readiness },
      503: { description: 'A part is away', json: Readiness },
    },
  }),
  jwks: endpoint({
    method: 'GET',
    path: '/.well-known/jwks.json',
    tag: 'System',
    summary: 'Public keys of every token',
    access: everyone,
    responses: {
      200: { description: 'JWK set', json: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }) },
    },
  }),
} as const;
