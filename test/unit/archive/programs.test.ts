import { describe, expect, it } from 'vitest';
import { concat } from '../../../src/core/bytes.ts';
import { madeBy } from '../../support/archives.ts';
import { zipOf } from '../../support/zip.ts';
import { filesIn, imported } from '../support/memory-archive.ts';

const game = {
  'Grüße/lies mich.txt': 'Hallo\n',
  'data.bin': new Uint8Array([0, 1, 2, 255]),
  'empty.txt': '',
  'index.html': '<!doctype html>\n<script type="module" src="src/main.ts"></script>\n',
  'src/long.txt': 'k'.repeat(200),
  'src/main.ts': 'document.title = "kiln";\n',
};
const encoder = new TextEncoder();

describe('An archive made by', () => {
  it.each(['infozip', 'git', 'java'] as const)('%s comes in whole, without the folder around it', async (program) => {
    expect(await filesIn(madeBy(program))).toEqual(game);
    expect((await imported(madeBy(program))).archive).toMatchObject({
      manifest: null,
      top: program === 'git' ? 'game-1.0/' : 'game/',
      skipped: 0,
    });
  });

  it('a program that cannot seek, with sizes behind the data', async () => {
    const { 'Grüße/lies mich.txt': greeting, 'index.html': index, 'src/main.ts': main } = game;
    expect(await filesIn(madeBy('python'))).toEqual({
      'Grüße/lies mich.txt': greeting,
      'index.html': index,
      'src/main.ts': main,
    });
  });

  it('a program that writes Zip64, in headers and in the directory', async () => {
    expect(Object.keys(await filesIn(madeBy('zip64')))).toEqual(['data.bin', 'index.html', 'src/main.ts']);
    expect(await filesIn(zipOf([{ name: 'a.txt', content: 'a' }], { zip64: true }))).toEqual({ 'a.txt': 'a' });
  });

  it('macOS: names in NFD without a flag, sizes behind the data, resource forks and .DS_Store', async () => {
    const name = encoder.encode('game/Gru\u0308\u00dfe.txt'.normalize('NFD'));
    const mac = { madeBy: 3, mode: 0o100644, descriptor: true, flags: 0 };
    const bytes = zipOf([
      { name: 'game/', madeBy: 3, mode: 0o40755, method: 0 },
      { ...mac, name, content: 'Hallo' },
      { ...mac, name: 'game/.DS_Store', content: new Uint8Array(6148) },
      { ...mac, name: '__MACOSX/game/._Grüße.txt'.normalize('NFD'), content: 'Mac OS X', flags: 0 },
      { ...mac, name: '__MACOSX/._game', content: 'Mac OS X' },
    ]);
    expect(await filesIn(bytes)).toEqual({ 'Grüße.txt': 'Hallo' });
    expect((await imported(bytes)).archive.skipped).toBe(3);
  });

  it('Windows Explorer: names in its code page, DOS attributes, folders without a slash of their own entry, Thumbs.db', async () => {
    const name = concat([encoder.encode('Spiel/Gr'), new Uint8Array([0x81, 0xe1]), encoder.encode('e.txt')]);
    const windows = { madeBy: 0, dosAttributes: 0x20, flags: 0 };
    const bytes = zipOf([
      { name: 'Spiel/', madeBy: 0, dosAttributes: 0x10, method: 0 },
      { ...windows, name, content: 'Hallo\r\n' },
      { ...windows, name: 'Spiel/bilder/Thumbs.db', content: new Uint8Array(100) },
      { ...windows, name: 'Spiel/bilder/a.png', content: new Uint8Array([137, 80]), method: 0 },
    ]);
    expect(await filesIn(bytes)).toEqual({ 'Grüße.txt': 'Hallo\r\n', 'bilder/a.png': new Uint8Array([137, 80]) });
  });

  it('an old .NET, with backslashes between folders, is refused with the reason', async () => {
    await expect(imported(zipOf([{ name: 'src\\main.ts', content: 'x', madeBy: 0 }]))).rejects.toMatchObject({
      code: 'invalid_entry',
      issues: [{ path: 'src\\main.ts', message: expect.stringContaining('backslash') }],
    });
  });

  it('a person who packed the whole folder: what can be had again is passed over', async () => {
    const bytes = zipOf([
      { name: 'game/.git/config', content: 'x' },
      { name: 'game/node_modules/.bin/tsc', content: '../typescript/bin/tsc', mode: 0o120777 },
      { name: 'game/node_modules/typescript/con.d.ts', content: 'x' },
      { name: 'game/packages/a/node_modules/b/index.js', content: 'x' },
      { name: 'game/src/.DS_Store', content: 'x' },
      { name: 'game/.gitignore', content: 'node_modules' },
      { name: 'game/src/node_modules.ts', content: 'x' },
    ]);
    expect(await filesIn(bytes)).toEqual({ '.gitignore': 'node_modules', 'src/node_modules.ts': 'x' });
    expect((await imported(bytes)).archive.skipped).toBe(5);
  });

  it('a program that writes "./" before every name', async () => {
    expect(await filesIn(zipOf([{ name: './' }, { name: './a.txt', content: 'a' }, { name: './b/c.txt' }]))).toEqual({
      'a.txt': 'a',
      'b/c.txt': '',
    });
  });
});

describe('The folder around everything', () => {
  it('is taken off once, and only where it is around everything', async () => {
    expect(Object.keys(await filesIn(zipOf([{ name: 'a/b/x.txt' }, { name: 'a/b/y.txt' }])))).toEqual([
      'b/x.txt',
      'b/y.txt',
    ]);
    expect(Object.keys(await filesIn(zipOf([{ name: 'a/x.txt' }, { name: 'b/y.txt' }])))).toEqual([
      'a/x.txt',
      'b/y.txt',
    ]);
    expect(Object.keys(await filesIn(zipOf([{ name: 'a/x.txt' }, { name: 'ab.txt' }])))).toEqual(['a/x.txt', 'ab.txt']);
  });
});

describe('A kiln.json', () => {
  it('of somebody else is a file like others', async () => {
    for (const content of ['{"bricks": 100}', '[]', 'null', 'not JSON', '{"format":"other","version":9}', '\ud800'])
      expect(Object.keys(await filesIn(zipOf([{ name: 'kiln.json', content }])))).toEqual(['kiln.json']);
  });

  it('of ours that is not valid, or of a later version, is refused by name', async () => {
    const manifest = {
      format: 'kiln-project',
      version: 1,
      name: '',
      description: '',
      settings: {},
      treeHash: 'x',
      files: {},
    };
    await expect(imported(zipOf([{ name: 'kiln.json', content: JSON.stringify(manifest) }]))).rejects.toMatchObject({
      code: 'invalid_entry',
      issues: expect.arrayContaining([expect.objectContaining({ path: 'kiln.json.name' })]),
    });
    await expect(
      imported(zipOf([{ name: 'kiln.json', content: JSON.stringify({ ...manifest, version: 2 }) }])),
    ).rejects.toMatchObject({ code: 'invalid_entry', detail: expect.stringContaining('newer') });
  });

  it('leaves room for parts that are not known yet', async () => {
    const manifest = {
      format: 'kiln-project',
      version: 1,
      name: 'Later',
      description: '',
      settings: {},
      treeHash: '0'.repeat(64),
      files: { root: 'files/', verbatim: false, order: 'sorted' },
      dependencies: [{ name: 'three', version: '1.0.0' }],
    };
    const bytes = zipOf([
      { name: 'kiln.json', content: JSON.stringify(manifest) },
      { name: 'assets/logo.png', content: 'png' },
      { name: 'files/a.txt', content: 'a' },
    ]);
    expect(await filesIn(bytes)).toEqual({ 'a.txt': 'a' });
    expect((await imported(bytes)).archive).toMatchObject({ skipped: 1, manifest: { name: 'Later' } });
  });
});
