import { describe, expect, it } from 'vitest';
import { limits } from '../../src/contract/limits.ts';
import { codingFor } from '../../src/worker/content/encoded.ts';

const script = { size: 20_000, mimeType: 'text/javascript' };
const request = (headers: Record<string, string>, clientAcceptEncoding?: string): Request =>
  Object.assign(
    new Request('http://game.test/', { headers }),
    clientAcceptEncoding !== undefined && { cf: { clientAcceptEncoding } },
  );

describe('The coding of an answer', () => {
  it.each([
    ['gzip, deflate, br, zstd', 'br'],
    ['GZIP', 'gzip'],
    ['br;q=0, gzip;q=0.1', 'gzip'],
    ['br;q=0', null],
    ['identity', null],
    ['', null],
    ['*', null],
  ])('for “%s” is %s', (accepted, coding) => {
    expect(codingFor(request({ 'accept-encoding': accepted }), script)).toBe(coding);
  });

  it('is for what the player takes, not for what the platform can undo on the way', () => {
    expect(codingFor(request({ 'accept-encoding': 'br, gzip' }, ''), script)).toBeNull();
    expect(codingFor(request({ 'accept-encoding': 'br, gzip' }, 'gzip'), script)).toBe('gzip');
  });

  it('is none for parts, for what is compressed as it is, too small or too large', () => {
    const all = { 'accept-encoding': 'br' };
    expect(codingFor(request({ ...all, range: 'bytes=0-1' }), script)).toBeNull();
    for (const mimeType of ['image/png', 'audio/ogg', 'video/mp4', 'font/woff2', 'application/zip'])
      expect(codingFor(request(all), { ...script, mimeType }), mimeType).toBeNull();
    for (const mimeType of [
      'text/html; charset=utf-8',
      'application/wasm',
      'model/gltf-binary',
      'image/svg+xml',
      'font/ttf',
    ])
      expect(codingFor(request(all), { ...script, mimeType }), mimeType).toBe('br');
    for (const size of [limits.publication.compressMin - 1, limits.publication.compressMax + 1])
      expect(codingFor(request(all), { ...script, size })).toBeNull();
  });
});
