import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';

/** Bytes that can be read at any place. */
export interface ByteSource {
  readonly size: number;
  /** So many bytes from `offset` on; fewer where it ends before. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** An object, read with a window: what is small and lies together comes in one request. */
export function objectSource(
  bucket: R2Bucket,
  key: string,
  size: number,
  readAhead: number = limits.archive.readAhead,
): ByteSource {
  let window = new Uint8Array();
  let start = 0;
  return {
    size,
    async read(offset, length) {
      const wanted = Math.max(0, Math.min(length, size - offset));
      if (wanted > 0 && (offset < start || offset + wanted > start + window.length)) {
        const span = Math.min(Math.max(wanted, readAhead), size - offset);
        const object = await bucket.get(key, { range: { offset, length: span } });
        if (!object) throw new KilnError('unavailable', { detail: 'The upload could not be read.' });
        window = new Uint8Array(await object.arrayBuffer());
        start = offset;
      }
      return wanted === 0 ? new Uint8Array() : window.subarray(offset - start, offset - start + wanted);
    },
  };
}
