import { describe, expect, it } from 'vitest';
import { assetKind, assetName, fitsName, isInert, renamedTo, typeOfMime } from '../../src/core/asset-types.ts';
import { gif, png, textBytes, wav } from '../support/media.ts';

const svg = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>';
const html = '<!doctype html><script>alert(1)</script>';

describe('The type of an asset', () => {
  it.each([
    ['hero.png', png(2, 2), 'image', 'image/png'],
    ['jump.wav', wav(1), 'audio', 'audio/wav'],
    ['icon.gif', gif(), 'image', 'image/gif'],
    ['logo.svg', textBytes(svg), 'image', 'image/svg+xml'],
    ['logo.svg', textBytes(`\ufeff<?xml version="1.0"?>\n<!-- x -->\n${svg}`), 'image', 'image/svg+xml'],
    ['level.json', textBytes('{"a":1}'), 'data', 'application/json'],
    ['notes.txt', textBytes('# hi'), 'data', 'text/plain'],
    ['map.tmx', textBytes('<?xml version="1.0"?><map/>'), 'data', 'application/xml'],
    ['scene.gltf', textBytes('{"asset":{}}'), 'model', 'model/gltf+json'],
    ['mesh.bin', Uint8Array.of(0, 1, 2, 3, 250, 9), 'data', 'application/octet-stream'],
    ['hero', png(2, 2), 'image', 'image/png'],
    ['notes', textBytes('hi'), 'data', 'text/plain'],
    ['blob', Uint8Array.of(0, 1, 2, 3, 250, 9), 'other', 'application/octet-stream'],
    ['ä.TXT', textBytes('ä'.repeat(40_000)).subarray(0, 65_535), 'data', 'text/plain'],
  ] as const)('of %s is what its bytes say', async (name, head, type, mimeType) => {
    expect(await assetKind(assetName(name), head)).toEqual({ type, mimeType });
  });

  it.each([
    ['a page that is called a picture', 'x.png', textBytes(html), {}],
    ['a page that is sent as a picture', 'x', textBytes(html), { mimeType: 'image/png' }],
    ['a vector picture that is called a bitmap', 'x.png', textBytes(svg), {}],
    ['a bitmap that is called a vector picture', 'x.svg', png(1, 1), {}],
    ['XML that is no SVG', 'x.svg', textBytes('<svg><a/></svg>'), {}],
    ['a page that is called a vector picture', 'x.svg', textBytes(html), {}],
    ['a picture that is called sound', 'x.mp3', png(1, 1), {}],
    ['a picture that is said to be sound', 'x.png', png(1, 1), { type: 'audio' }],
    ['sound that is sent as a picture', 'x.wav', wav(1), { mimeType: 'image/png' }],
    ['bytes that are called text', 'x.txt', Uint8Array.of(0, 1, 2), {}],
    ['a page that is called JSON', 'x.json', textBytes(html), {}],
    ['a picture that is called opaque', 'x.bin', png(1, 1), {}],
    ['a program', 'x', textBytes('\x7fELF\x02\x01\x01\x00'), {}],
  ] as const)('#43 refuses %s', async (_what, name, head, claims) => {
    await expect(assetKind(assetName(name), head, claims)).rejects.toMatchObject({ code: 'type_mismatch' });
  });

  it('#43 takes no extension that a browser, a shell or a player would run', () => {
    for (const name of ['x.html', 'x.js', 'x.mjs', 'x.swf', 'x.php', 'x.exe', 'x.svgz', 'x.xhtml', 'x.pdf', 'x.wasm'])
      expect(() => assetName(name), name).toThrow(expect.objectContaining({ code: 'unsupported_media_type' }));
    for (const name of ['a/b.png', '..', 'con.png', 'a\u0000.png', ' a.png', 'a.png ', '%2e%2e'])
      expect(() => assetName(name), name).toThrow(expect.objectContaining({ code: 'invalid_path' }));
    expect(assetName('e\u0301.png')).toBe('\u00e9.png');
  });

  it('is known again from what it is served as', () => {
    for (const [mimeType, type] of [
      ['image/png', 'image'],
      ['audio/webm', 'audio'],
      ['model/obj', 'model'],
      ['text/html', undefined],
    ] as const)
      expect(typeOfMime(mimeType)).toBe(type);
  });

  it('says which names it may have', () => {
    for (const name of ['a.png', 'a.apng', 'a']) expect(() => fitsName(name, 'image/png')).not.toThrow();
    for (const name of ['a.jpg', 'a.txt'])
      expect(() => fitsName(name, 'image/png')).toThrow(expect.objectContaining({ code: 'type_mismatch' }));
  });

  it('says what a browser may show where it stands', () => {
    for (const type of ['image/png', 'audio/mpeg', 'video/mp4', 'font/woff2']) expect(isInert(type)).toBe(true);
    for (const type of ['image/svg+xml', 'text/plain', 'application/xml', 'application/octet-stream', 'text/html'])
      expect(isInert(type)).toBe(false);
  });
});

describe('a name whose type changes', () => {
  it.each([
    ['hero.png', 'image/webp', 'hero.webp'],
    ['hero.PNG', 'image/jpeg', 'hero.jpg'],
    ['hero.jpeg', 'image/jpeg', 'hero.jpeg'],
    ['a.b.gif', 'image/avif', 'a.b.avif'],
    ['hero', 'image/webp', 'hero'],
  ])('%s as %s is %s', (name, mimeType, expected) => {
    expect(renamedTo(name, mimeType)).toBe(expected);
  });
});
