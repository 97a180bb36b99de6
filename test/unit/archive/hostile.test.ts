import { crc32 } from 'node:zlib';
import { deflateRaw } from 'pako';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/contract/limits.ts';
import { invalidEntry } from '../../../src/core/archive.ts';
import { readArchive } from '../../../src/worker/archive/import.ts';
import { openArchive } from '../../../src/worker/archive/open.ts';
import { unpack } from '../../../src/worker/archive/unpack.ts';
import { madeBy } from '../../support/archives.ts';
import { emptyEntries, type ZipEntry, type ZipOptions, zipOf } from '../../support/zip.ts';
import { imported, memorySource } from '../support/memory-archive.ts';

const honest: ZipEntry = { name: 'index.html', content: '<p>hi' };
/** A refusal that names the entry, or the first of some. */
const refusedEntry = async (entry: ZipEntry | readonly ZipEntry[], message: RegExp, named?: string): Promise<void> => {
  const entries = Array.isArray(entry) ? (entry as readonly ZipEntry[]) : [entry as ZipEntry];
  const first = entries[0]?.name;
  const refusal = expect(imported(zipOf([honest, ...entries])), String(first)).rejects;
  await refusal.toMatchObject({
    code: 'invalid_entry',
    issues: [{ path: named ?? first, message: expect.stringMatching(message) }],
  });
};
const refused = async (bytes: Uint8Array, code: string, detail: RegExp): Promise<void> =>
  await expect(imported(bytes)).rejects.toMatchObject({ code, detail: expect.stringMatching(detail) });

const extraField = (id: number, data: Uint8Array): Uint8Array =>
  Uint8Array.from([id & 0xff, id >> 8, data.length & 0xff, data.length >> 8, ...data]);

describe('#41 zip slip and its kin', () => {
  it.each([
    ['../../x', /outside/],
    ['a/../../x', /outside/],
    ['..', /outside/],
    ['../', /outside/],
    ['node_modules/../../x', /outside/],
    ['__MACOSX/../x', /outside/],
    ['/etc/passwd', /absolute/],
    ['//server/share', /absolute/],
    ['C:/x', /drive/],
    ['c:x', /drive/],
    ['..\\..\\x', /backslash/],
    ['\\\\server\\share', /backslash/],
    ['a\\b.txt', /backslash/],
    ['a/./b', /"\."/],
    ['a//b', /empty segment/],
    ['con', /reserved/],
    ['src/aux.ts', /reserved/],
    ['.kiln/plugins.lock.json', /reserved/],
    ['a. ', /space/],
    ['a/ b', /space/],
    ['a%2f..%2fb', /escaped/],
    [`${'x'.repeat(256)}`, /longer/],
    [`${'a/'.repeat(260)}b`, /longer/],
  ])('refuses the name %j', async (name, message) => {
    await refusedEntry({ name, content: 'x' }, message, name.slice(0, limits.file.pathMax));
  });

  it('refuses control characters and never answers them', async () => {
    for (const name of ['nul\0byte', 'cr\r\nlf', 'esc\u001b[31m'])
      await refusedEntry({ name, content: 'x', flags: 0x800 }, /control/, name.replaceAll(/\p{Cc}/gu, '\ufffd'));
    // Without the flag for UTF-8 they are pictures of a code page.
    await refusedEntry({ name: 'cr\r\nlf', content: 'x' }, /control/, 'cr\u266a\u25d9lf');
    expect(invalidEntry(`\u202e${'x'.repeat(9999)}\ud800`, 'y').issues?.[0]?.path).toMatch(/^\ufffdx{499}$/);
  });

  it('refuses a name that stands in an extra field only', async () => {
    // Info-ZIP's Unicode path: version, CRC-32 of the plain name, the name.
    const plain = new TextEncoder().encode('harmless');
    const sum = crc32(plain);
    const data = [
      1,
      sum & 0xff,
      (sum >> 8) & 0xff,
      (sum >> 16) & 0xff,
      sum >>> 24,
      ...new TextEncoder().encode('../x'),
    ];
    await refusedEntry({ name: plain, flags: 0, extra: extraField(0x7075, Uint8Array.from(data)) }, /outside/, '../x');
  });

  it.each([
    ['symlink', 0o120777],
    ['character device', 0o020666],
    ['block device', 0o060666],
    ['FIFO', 0o010644],
    ['socket', 0o140755],
  ])('refuses a %s, whatever system says that it made it', async (_kind, mode) => {
    for (const made of [0, 3, 19])
      await refusedEntry({ name: 'link', content: '/etc/passwd', mode, madeBy: made }, /link or a device/);
  });

  it('refuses a symlink that a program made, and a file that would go through one', async () => {
    await refused(madeBy('symlink'), 'invalid_entry', /link/);
    await refusedEntry(
      [
        { name: 'out', content: '/tmp', mode: 0o120777 },
        { name: 'out/x', content: 'x' },
      ],
      /link/,
    );
    await refusedEntry([{ name: 'index.html/x', content: 'x' }], /folder of the other/);
  });

  it('refuses hard links and devices of the Unix extra fields', async () => {
    const target = [...new TextEncoder().encode('/etc/passwd')];
    const pkware = extraField(0x000d, Uint8Array.from([...new Uint8Array(12), ...target]));
    await refusedEntry({ name: 'hard', extra: pkware }, /link/);
    const asi = (mode: number, rest: number[]): Uint8Array =>
      extraField(0x756e, Uint8Array.from([0, 0, 0, 0, mode & 0xff, mode >> 8, ...rest]));
    await refusedEntry({ name: 'soft', extra: asi(0o120777, [...new Uint8Array(8), ...target]) }, /link/);
    await refusedEntry({ name: 'device', extra: asi(0o020666, [...new Uint8Array(8)]) }, /device/);
    expect(
      (await imported(zipOf([{ name: 'plain', extra: asi(0o100644, [...new Uint8Array(8)]) }]))).entries,
    ).toHaveLength(1);
  });

  it('refuses two names for one file: twice, by case, by Unicode form, file and folder', async () => {
    await refusedEntry([{ name: 'a.txt' }, { name: 'a.txt' }], /twice/, 'a.txt');
    await refusedEntry([{ name: 'a.txt' }, { name: './a.txt' }], /twice/, './a.txt');
    await refusedEntry([{ name: 'a.txt' }, { name: 'A.txt' }], /letter case/, 'A.txt');
    await refusedEntry([{ name: 'src/a.txt' }, { name: 'Src/b.txt' }], /letter case/, 'Src/b.txt');
    await refusedEntry([{ name: 'é' }, { name: 'e\u0301' }], /twice/, 'e\u0301');
    await refusedEntry([{ name: 'a' }, { name: 'a/b' }], /folder of the other/, 'a/b');
    await refusedEntry([{ name: 'a/b' }, { name: 'a' }], /folder of the other/, 'a');
  });

  it('stores names with a meaning in JavaScript inertly', async () => {
    const names = ['__proto__', 'constructor', 'hasOwnProperty/toString', '.npmrc', '.git2/config'];
    const { entries } = await imported(zipOf(names.map((name) => ({ name, content: name }))));
    expect(entries.map(({ path }) => path)).toEqual(names);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  it('refuses a folder with content', async () => {
    await refusedEntry({ name: 'folder/', content: 'x' }, /folder with content/);
  });
});

describe('#41 what cannot be read', () => {
  it('encrypted entries, by flag and as a program writes them', async () => {
    await refused(madeBy('encrypted'), 'invalid_entry', /encrypted/);
    await refusedEntry({ name: 'x', content: 'x', flags: 1 }, /encrypted/);
    await refusedEntry({ name: 'x', content: 'x', flags: 0x41 }, /encrypted/);
  });

  it('unknown compression methods', async () => {
    await refused(madeBy('bzip2'), 'invalid_entry', /method 12/);
    for (const method of [1, 6, 9, 14, 93, 98]) await refusedEntry({ name: 'x', content: 'x', method }, /method/);
  });

  it('headers that say something else than the directory', async () => {
    await refusedEntry({ name: 'x.txt', content: 'x', localName: 'y.txt' }, /own header/);
    await refusedEntry({ name: 'x', content: 'x', method: 0, localMethod: 8 }, /own header/);
    const lost = zipOf([{ name: 'x', content: 'x' }]);
    lost[0] = 0;
    await refused(lost, 'invalid_entry', /not where/);
  });

  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['a text', new TextEncoder().encode('just a text, and not a short one either')],
    ['zeros', new Uint8Array(100_000)],
    ['a PDF', new TextEncoder().encode(`%PDF-1.7\n${'x'.repeat(500)}`)],
    ['gzip', Uint8Array.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, ...new Uint8Array(40)])],
    ['only the end of a directory, of many entries', zipOf([], { count: 9 })],
    ['no entry at all', zipOf([])],
    ['folders only', zipOf([{ name: 'a/' }, { name: 'a/b/' }])],
    ['nothing but what is passed over', zipOf([{ name: '.git/config', content: 'x' }])],
  ])('%s', async (_what, bytes) => {
    await refused(bytes, 'invalid_archive', /Nothing was imported/);
  });

  it('an archive cut off at any byte, or with anything before or after it', async () => {
    const bytes = zipOf([honest, { name: 'b.txt', content: 'b'.repeat(50) }]);
    for (let length = 0; length < bytes.length; length += 1)
      await expect(imported(bytes.slice(0, length)), `${length}`).rejects.toMatchObject({ code: /^invalid_/ });
    const more: ZipOptions[] = [
      { before: new Uint8Array(10) },
      { after: new Uint8Array(10) },
      { count: 1 },
      { count: 3 },
    ];
    for (const options of more) await refused(zipOf([honest, { name: 'b.txt' }], options), 'invalid_archive', /./);
    // Two directories, of which programs take one or the other.
    const two = zipOf([honest]);
    await refused(zipOf([{ name: 'other.txt' }], { comment: two }), 'invalid_archive', /./);
  });

  it('any archive with any byte changed: refused, or what it was', async () => {
    const bytes = zipOf([
      { name: 'a.txt', content: 'aaaaaaaaaabbbbbbbbbb' },
      { name: 'b/c.bin', content: 'c', method: 0 },
    ]);
    let refusals = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const broken = bytes.slice();
      broken[at] = (broken[at] ?? 0) ^ 0xff;
      try {
        const { entries } = await imported(broken);
        // Dates, versions and attributes mean nothing here; a name may be another good one.
        for (const entry of entries) expect(entry.size).toBeLessThanOrEqual(20);
      } catch (error) {
        expect((error as { code?: string }).code, `byte ${at}`).toMatch(/^(invalid_|payload_too_large|quota)/);
        refusals += 1;
      }
    }
    expect(refusals).toBeGreaterThan(bytes.length / 3);
  }, 60_000);
});

describe('#42 zip bombs', () => {
  const zeros = (length: number): Uint8Array => deflateRaw(new Uint8Array(length), { level: 9 });
  const never = (reads: [number, number][], directory: number): void => {
    for (const [offset, length] of reads) expect(offset + length > directory || length < 65_600).toBe(true);
  };

  it('a file that is larger than a file may be is refused by the directory', async () => {
    const content = new Uint8Array(limits.file.sizeMax + 1);
    await refused(zipOf([{ name: 'x', content }]), 'payload_too_large', /at most 26214400 bytes/);
  });

  it('files that are too large together are refused by the directory, and so are those that shrink too much', async () => {
    const data = zeros(1);
    const size = limits.file.sizeMax;
    const many = (count: number): ZipEntry[] =>
      Array.from({ length: count }, (_, index) => ({ name: `${index}`, data, size, content: '' }));
    await refused(zipOf(many(41)), 'quota_exceeded', /at most 1073741824 bytes/);
    await refused(zipOf(many(3)), 'payload_too_large', /more than 100 times/);
    const source = memorySource(zipOf(many(3)));
    await readArchive(source).catch(() => undefined);
    never(source.reads, source.size - 1000);
  });

  it('sizes that lie: cut off at the byte that is one too many, and never 4 MiB ahead of it', async () => {
    const real = 20 * 1024 * 1024;
    const bytes = zipOf([{ name: 'x', data: zeros(real), size: 1000, content: new Uint8Array(1000) }]);
    await refused(bytes, 'invalid_entry', /larger/);
    const source = memorySource(bytes);
    await readArchive(source).catch(() => undefined);
    const step = limits.archive.inflateStep;
    expect(source.reads.filter(([, length]) => length === step)).toHaveLength(1);
    await refused(zipOf([{ name: 'x', content: 'short', size: 1000 }]), 'invalid_entry', /smaller/);
    await refused(zipOf([{ name: 'x', content: 'x', method: 0, size: 9 }]), 'invalid_entry', /two different sizes/);
    await refused(zipOf([{ name: 'x', content: 'x', crc: 1 }]), 'invalid_entry', /checksum/);
    await refused(zipOf([{ name: 'x', content: 'x', data: new Uint8Array([7, 7, 7]) }]), 'invalid_entry', /deflated/);
    await refused(
      zipOf([{ name: 'x', content: 'x', data: new Uint8Array([...deflateRaw('x'), 1, 2]) }]),
      'invalid_entry',
      /deflated/,
    );
  });

  it('inflates step by step: what is made between two reads is at most 1032 times what was read', async () => {
    const size = 8 * 1024 * 1024;
    const source = memorySource(zipOf([{ name: 'x', content: new Uint8Array(size) }]));
    const { listing, directory } = await openArchive(source);
    const [file] = listing.plan(null, directory, source.size).files;
    if (!file) throw new Error('there is a file');
    source.reads.length = 0;
    const between: number[] = [];
    for await (const chunk of unpack(source, file))
      between[source.reads.length] = (between[source.reads.length] ?? 0) + chunk.length;
    expect(between.reduce((sum, bytes) => sum + (bytes ?? 0), 0)).toBe(size);
    for (const bytes of between) expect(bytes ?? 0).toBeLessThanOrEqual(limits.archive.inflateStep * 1032);
    for (const [, length] of source.reads.slice(1)) expect(length).toBeLessThanOrEqual(limits.archive.inflateStep);
  });

  it('entries that share bytes: the whole of one, a part, data that holds the next entry', async () => {
    const data = zeros(1000);
    const content = new Uint8Array(1000);
    await refused(
      zipOf([
        { name: 'a', content },
        { name: 'b', content, offset: 0 },
      ]),
      'invalid_archive',
      /overlap/,
    );
    await refused(
      zipOf([
        { name: 'a', content },
        { name: 'b', content, directoryOnly: true, offset: 0 },
      ]),
      'invalid_archive',
      /overlap/,
    );
    // David Fifield's "quoted" bomb: the data of one entry is the header and the data of the next.
    await refused(
      zipOf([
        { name: 'a', content, compressedSize: data.length + 31 + data.length },
        { name: 'b', content },
      ]),
      'invalid_archive',
      /overlap/,
    );
    await refused(zipOf([{ name: 'a', content, compressedSize: 5000 }]), 'invalid_archive', /overlap|outside/);
  });

  it('an extra field that only the header has cannot move data into the next entry', async () => {
    const localExtra = extraField(0xcafe, new Uint8Array(40));
    const short = zipOf([
      { name: 'a', content: 'a', localExtra },
      { name: 'b', content: 'b' },
    ]);
    expect((await imported(short)).entries).toHaveLength(2);
    // The length of that field, raised until it spans the next entry.
    short[28] = 200;
    await refused(short, 'invalid_entry', /comes after|two ways|not where/);
  });

  it('100,000 and a million empty entries: refused by the directory', async () => {
    for (const count of [limits.archive.entriesMax + 1, 100_000, 1_000_000]) {
      const source = memorySource(emptyEntries(count));
      await expect(readArchive(source)).rejects.toMatchObject({
        code: expect.stringMatching(/^(payload_too_large|quota_exceeded)$/),
      });
      for (const [, length] of source.reads) expect(length).toBeLessThanOrEqual(limits.archive.directoryBytes);
    }
    await expect(readArchive(memorySource(emptyEntries(limits.project.filesMax + 2)))).rejects.toMatchObject({
      code: 'quota_exceeded',
    });
    const { entries } = await imported(emptyEntries(limits.project.filesMax));
    expect(entries).toHaveLength(limits.project.filesMax);
  }, 60_000);

  it('entries that would be passed over count as well', async () => {
    const entries = Array.from({ length: 60 }, (_, index) => ({ name: `.git/${index}`, content: 'x' }));
    expect((await imported(zipOf([honest, ...entries]))).archive.skipped).toBe(60);
  });

  it('archives in archives are files', async () => {
    const inner = zipOf([{ name: '../../x', content: 'x' }]);
    const { stored } = await imported(zipOf([{ name: 'inner.zip', content: inner }]));
    expect([...stored.values()]).toEqual([inner]);
  });
});
