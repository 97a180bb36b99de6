import { uuidv7 } from 'uuidv7';
import * as z from 'zod';

/** A fresh UUIDv7 (RFC 9562 §5.7): sortable by time of creation, 74 random bits. */
export const newId = (): string => uuidv7();

/** Any id of the contract. */
export const Id = z.uuidv7().meta({ id: 'Id', description: 'UUIDv7', example: '0192f0c1-2a3b-7c4d-8e5f-a1b2c3d4e5f6' });

/** SHA-256, lower-case hex. */
export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be a lower-case hex SHA-256')
  .meta({ id: 'Sha256', description: 'SHA-256 of the bytes, lower-case hex' });

/** An instant as the API writes it. */
export const Timestamp = z.iso.datetime().meta({ id: 'Timestamp', description: 'ISO 8601, UTC' });
