import type { AssetMetadata, AssetType } from '../../contract/assets.ts';
import { limits } from '../../contract/limits.ts';
import { readMetadata } from '../../core/media/index.ts';
import { getObject } from '../../data/objects.ts';

/** What is known of bytes that are stored. `head`: their beginning, where it is in memory already. */
export interface StoredBytes {
  readonly objectKey: string;
  readonly size: number;
  readonly head?: Uint8Array;
}

/** What the bytes of an object say of themselves. Never throws. */
export const metadataOf = (
  bucket: R2Bucket,
  { objectKey, size, head }: StoredBytes,
  kind: { readonly type: AssetType; readonly mimeType: string },
): Promise<AssetMetadata> =>
  readMetadata(
    {
      size,
      async read(start, end) {
        if (head && end <= head.length) return head.subarray(start, end);
        const object = await getObject(bucket, objectKey, { offset: start, length: end - start });
        if (!object) throw new Error('the bytes are gone');
        return new Uint8Array(await object.arrayBuffer());
      },
    },
    kind,
  );

/** Many at a time, in their order. */
export async function described<T extends StoredBytes & { readonly type: AssetType; readonly mimeType: string }>(
  bucket: R2Bucket,
  list: readonly T[],
): Promise<(T & { metadata: AssetMetadata })[]> {
  const done: (T & { metadata: AssetMetadata })[] = [];
  const { parallel } = limits.media;
  for (let at = 0; at < list.length; at += parallel)
    done.push(
      ...(await Promise.all(
        list.slice(at, at + parallel).map(async (one) => ({ ...one, metadata: await metadataOf(bucket, one, one) })),
      )),
    );
  return done;
}
