import { describe, expect, it } from 'vitest';
import { assetExtensions } from '../../src/contract/loaders.ts';
import {
  assetKind,
  assetName,
  fitsClaim,
  fitsName,
  isInert,
  renamedTo,
  typeOfMime,
} from '../../src/core/asset-types.ts';
import { kinds } from '../../src/core/game/asset-kinds.ts';
import { beginnings, gif, png, textBytes, wav } from '../support/media.ts';

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
    ['sky.hdr', beginnings.hdr, 'image', 'image/vnd.radiance'],
    ['sky.exr', beginnings.exr, 'image', 'image/x-exr'],
    ['rock.dds', beginnings.dds, 'image', 'image/vnd.ms-dds'],
    ['rock.tga', beginnings.tga, 'image', 'image/x-tga'],
    ['hand.cur', beginnings.cur, 'image', 'image/x-icon'],
    ['me.jfif', beginnings.jpeg, 'image', 'image/jpeg'],
    ['hero.aseprite', beginnings.aseprite, 'other', 'image/x-aseprite'],
    ['house.dae', textBytes('<?xml version="1.0"?><COLLADA/>'), 'model', 'model/vnd.collada+xml'],
    ['cube.stl', beginnings.stl, 'model', 'model/stl'],
    ['cube.stl', beginnings.stlText, 'model', 'model/stl'],
    ['scan.ply', beginnings.ply, 'model', 'model/ply'],
    ['mesh.drc', beginnings.drc, 'model', 'application/octet-stream'],
    ['avatar.vrm', beginnings.glb, 'model', 'model/gltf-binary'],
    ['chair.usdz', beginnings.usdz, 'model', 'model/vnd.usdz+zip'],
    ['ship.fbx', beginnings.fbx, 'model', 'application/octet-stream'],
    ['ship.fbx', textBytes('; FBX 7.3.0 project file'), 'model', 'application/octet-stream'],
    ['words.vtt', textBytes('WEBVTT\n\n00:01.000 --> 00:02.000\nhi\n'), 'data', 'text/vtt'],
    ['level.ldtk', textBytes('{"levels":[]}'), 'data', 'application/json'],
    ['hero.skel', Uint8Array.of(28, 1, 2, 3, 250, 9), 'data', 'application/octet-stream'],
    // A text may begin as another format does.
    ['notes.txt', beginnings.stlText, 'data', 'text/plain'],
    ['scan', beginnings.ply, 'model', 'model/ply'],
    ['sky', beginnings.exr, 'image', 'image/x-exr'],
  ] as const)(
    'of %s, which games of three dimensions bring, is what its bytes say',
    async (name, head, type, mimeType) => {
      expect(await assetKind(assetName(name), head)).toEqual({ type, mimeType });
    },
  );

  it('is known of whatever builds take as an asset, but of pages, programs and archives', () => {
    const refused = assetExtensions.filter((extension) => !Object.hasOwn(kinds, extension));
    expect(refused).toEqual(['wasm', 'tsx-map', 'pdf', 'zip', 'webmanifest']);
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
    ['a picture that is called light', 'x.hdr', png(1, 1), {}],
    ['text that is called a texture', 'x.dds', textBytes('DDS'), {}],
    ['a page that is called a Targa picture', 'x.tga', textBytes(html), {}],
    ['a drawing that is called a model', 'x.dae', textBytes(svg), {}],
    ['an archive that is called a scene', 'x.usdz', beginnings.zip, {}],
    ['a picture that is called a mesh', 'x.stl', png(1, 1), {}],
    ['a page that is called subtitles', 'x.vtt', textBytes(html), {}],
    ['a program', 'x', textBytes('\x7fELF\x02\x01\x01\x00'), {}],
  ] as const)('#43 refuses %s', async (_what, name, head, claims) => {
    await expect(assetKind(assetName(name), head, claims)).rejects.toMatchObject({ code: 'type_mismatch' });
  });

  const text = textBytes('{"a":1}');
  const unknown = Uint8Array.of(0, 1, 2, 3, 250, 9);
  const sent: readonly (readonly [string, Uint8Array, readonly string[], readonly string[]])[] = [
    [
      'x.png',
      png(1, 1),
      ['image/png', 'IMAGE/PNG; q=1', 'image/x-png', '', 'application/octet-stream', 'application/x-nobody-knows'],
      [
        'image/jpeg',
        'text/html',
        'application/zip',
        'model/gltf-binary',
        'text/plain',
        'application/json',
        'font/woff',
      ],
    ],
    [
      'x.jpg',
      beginnings.jpeg,
      ['image/jpeg', 'image/jpg', 'image/pjpeg'],
      ['image/png', 'image/svg+xml', 'image/heic'],
    ],
    ['x', beginnings.jpeg, ['image/jpeg'], ['image/png', 'video/mp4']],
    [
      'x.wav',
      wav(1),
      ['audio/wav', 'audio/x-wav', 'audio/wave', 'audio/vnd.wave'],
      ['audio/mpeg', 'audio/mp3', 'image/wav'],
    ],
    [
      'x.svg',
      textBytes(svg),
      ['image/svg+xml', 'text/xml', 'application/xml', 'text/plain'],
      ['text/html', 'image/png'],
    ],
    [
      'x.json',
      text,
      ['application/json', 'text/plain', 'text/json', 'application/vnd.ms-excel'],
      ['text/html', 'application/javascript', 'application/xhtml+xml', 'text/css', 'image/png', 'application/pdf'],
    ],
    [
      'x.csv',
      textBytes('a,b'),
      ['text/csv', 'text/plain', 'application/vnd.ms-excel'],
      ['text/html', 'model/gltf-binary'],
    ],
    ['x.gltf', textBytes('{"asset":{}}'), ['model/gltf+json', 'application/json'], ['model/gltf-binary']],
    ['x.glb', beginnings.glb, ['model/gltf-binary'], ['model/gltf+json', 'application/json', 'text/plain']],
    [
      'x.usdz',
      beginnings.usdz,
      ['model/vnd.usdz+zip', 'application/zip', 'application/x-zip-compressed'],
      ['text/plain'],
    ],
    ['x.bin', unknown, ['application/octet-stream', 'application/macbinary'], ['image/png', 'text/plain', 'text/html']],
    ['x.fbx', beginnings.fbx, ['application/vnd.autodesk.fbx', 'application/octet-stream'], ['model/gltf-binary']],
    [
      'x.stl',
      beginnings.stl,
      ['model/stl', 'application/vnd.ms-pki.stl', 'application/sla'],
      ['image/png', 'text/html'],
    ],
    ['x.hdr', beginnings.hdr, ['image/vnd.radiance', 'image/x-hdr'], ['image/x-exr', 'text/plain']],
    ['x.tga', beginnings.tga, ['image/x-tga', 'image/targa'], ['image/x-icon']],
    ['x.vtt', textBytes('WEBVTT\n'), ['text/vtt', 'text/plain'], ['text/html']],
  ];

  it.each(sent.flatMap(([name, head, right]) => right.map((claim) => [name, claim, head] as const)))(
    'of %s may be sent as “%s”',
    async (name, mimeType, head) => {
      await expect(assetKind(name, head, { mimeType })).resolves.toMatchObject({});
    },
  );

  it.each(sent.flatMap(([name, head, , wrong]) => wrong.map((claim) => [name, claim, head] as const)))(
    '#43 of %s may not be sent as “%s”',
    async (name, mimeType, head) => {
      await expect(assetKind(name, head, { mimeType })).rejects.toMatchObject({ code: 'type_mismatch' });
    },
  );

  it('#43 says what the bytes are, and how the file would be called', async () => {
    await expect(assetKind('hero.png', beginnings.jpeg, { mimeType: 'image/png' })).rejects.toThrow(
      'The name ends in .png, and the bytes are image/jpeg. Call it hero.jpg.',
    );
    await expect(assetKind('hero', beginnings.jpeg, { mimeType: 'image/png' })).rejects.toThrow(
      'The bytes are image/jpeg, and were sent as image/png.',
    );
  });

  it('#43 of bytes that are known already is held against what they are sent as, too', () => {
    const picture = { type: 'image', mimeType: 'image/png' } as const;
    for (const claim of ['image/png', '', 'application/x-nobody-knows'])
      expect(() => fitsClaim(claim, picture)).not.toThrow();
    for (const claim of ['image/jpeg', 'text/html', 'audio/nobody-knows'])
      expect(() => fitsClaim(claim, picture), claim).toThrow(expect.objectContaining({ code: 'type_mismatch' }));
    expect(() => fitsClaim('text/csv', { type: 'data', mimeType: 'text/plain' })).not.toThrow();
    expect(() => fitsClaim('audio/webm', { type: 'audio', mimeType: 'audio/webm' })).not.toThrow();
  });

  it('#43 takes no extension that a browser, a shell or a player would run', () => {
    for (const name of ['x.html', 'x.js', 'x.mjs', 'x.swf', 'x.php', 'x.exe', 'x.svgz', 'x.xhtml', 'x.pdf', 'x.wasm'])
      expect(() => assetName(name), name).toThrow(expect.objectContaining({ code: 'unsupported_media_type' }));
    for (const name of ['a/b.png', '..', 'con.png', 'a\u0000.png', ' a.png', 'a.png ', '%2e%2e'])
      expect(() => assetName(name), name).toThrow(expect.objectContaining({ code: 'invalid_path' }));
    expect(assetName('e\u0301.png')).toBe('\u00e9.png');
  });

  it('is known again from what it is served as', () => {
    for (const [mimeType, name, type] of [
      ['image/png', 'a', 'image'],
      ['audio/webm', 'a', 'audio'],
      ['model/obj', 'a.obj', 'model'],
      ['application/octet-stream', 'a.bin', 'data'],
      ['application/octet-stream', 'a.fbx', 'model'],
      ['application/octet-stream', 'a', undefined],
      ['text/html', 'a', undefined],
    ] as const)
      expect(typeOfMime(mimeType, name)).toBe(type);
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
