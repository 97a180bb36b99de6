import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { fromBase62, toBase62 } from './base62.ts';

import { sha256 } from './tree.ts';

/**
 * `kiln_`, 256 random bits (43 digits of base 62), the id of its owner (22), and a CRC-32 of what stands
 * before (6), as GitHub's tokens have it: a scanner that finds one in a repository can tell it from any
 * other text, and a mistyped key costs no look-up. The owner's id is no secret; with it in the key, the
 * object that knows the key is found without asking the database.
 */
const mark = 'kiln_';
const secretWidth = 43;
const ownerWidth = 22;
const checkWidth = 6;
const shape = new RegExp(
  `^(${mark}[0-9A-Za-z]{${secretWidth}}([0-9A-Za-z]{${ownerWidth}}))([0-9A-Za-z]{${checkWidth}})$`,
);
/** How much of a key may be shown later on: enough to tell keys apart, and nothing of use. */
const shown = mark.length + 6;

const checksum = (text: string): string => toBase62(BigInt(crc32(Buffer.from(text))), checkWidth);

export interface NewKey {
  readonly secret: string;
  readonly prefix: string;
  readonly hash: string;
}

export const hashOfKey = (secret: string): string => sha256(secret);

export function newApiKey(userId: string): NewKey {
  const random = toBase62(BigInt(`0x${randomBytes(32).toString('hex')}`), secretWidth);
  const owner = toBase62(BigInt(`0x${userId.replaceAll('-', '')}`), ownerWidth);
  const body = mark + random + owner;
  const secret = body + checksum(body);
  return { secret, prefix: secret.slice(0, shown), hash: hashOfKey(secret) };
}

/** Whether a credential claims to be an API key, well-formed or not. */
export const isApiKey = (credential: string): boolean => credential.startsWith(mark);

/** Whose key this would be; null when it is misspelt. */
export function ownerOfKey(secret: string): string | null {
  const [, body = '', owner = '', check] = shape.exec(secret) ?? [];
  if (check === undefined || checksum(body) !== check) return null;
  const hex = fromBase62(owner)?.toString(16).padStart(32, '0');
  if (hex?.length !== 32) return null;
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
