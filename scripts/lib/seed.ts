import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import * as z from 'zod';
import { Id } from '../../src/contract/ids.ts';
import { textOf } from '../../src/core/content.ts';
import { validPath } from '../../src/core/paths.ts';
import { defaultMode, hashTree, sha256 } from '../../src/core/tree.ts';
import type { Database } from '../../src/data/database.ts';
import { type ManifestEntry, putBlob, putTree } from '../../src/data/objects.ts';
import { upsertTemplate } from '../../src/data/templates.ts';

const TemplateFile = z.strictObject({
  id: Id,
  slug: z.string().regex(/^[a-z0-9-]+$/),
  name: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  author: z.string(),
  version: z.string(),
});

/** Puts every folder of `templates/` into a system: blobs, then the manifest, then the row that names it. Idempotent. */
export async function seedTemplates(db: Database, bucket: R2Bucket, folder: string): Promise<string[]> {
  const slugs: string[] = [];
  for (const name of readdirSync(folder).sort()) {
    const base = join(folder, name);
    if (!statSync(base).isDirectory()) continue;
    const template = TemplateFile.parse(JSON.parse(readFileSync(join(base, 'template.json'), 'utf8')));
    const entries: ManifestEntry[] = [];
    for (const file of readdirSync(join(base, 'files'), { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const full = join(file.parentPath, file.name);
      const bytes = readFileSync(full);
      const path = validPath(relative(join(base, 'files'), full).split(sep).join(posix.sep));
      const hash = sha256(bytes);
      await putBlob(bucket, hash, bytes);
      entries.push({ path, hash, size: bytes.length, mode: defaultMode, isText: textOf(bytes) !== null });
    }
    const thumbnail = readFileSync(join(base, 'thumbnail.svg'));
    const thumbnailHash = sha256(thumbnail);
    await putBlob(bucket, thumbnailHash, thumbnail);
    const treeHash = hashTree(entries);
    await putTree(bucket, treeHash, entries);
    const now = Date.now();
    await upsertTemplate(db, {
      ...template,
      authorId: null,
      thumbnailHash,
      treeHash,
      fileCount: entries.length,
      totalSize: entries.reduce((sum, entry) => sum + entry.size, 0),
      createdAt: now,
      updatedAt: now,
    });
    slugs.push(template.slug);
  }
  return slugs;
}
