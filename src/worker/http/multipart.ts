import { Busboy } from '@fastify/busboy';
import { KilnError } from '../../contract/errors.ts';
import { limits } from '../../contract/limits.ts';

/** A part of a form, in the order in which they come. What of a file is not read before the next part is passed over. */
export type FormPart =
  | { readonly kind: 'field'; readonly name: string; readonly value: string }
  | {
      readonly kind: 'file';
      readonly name: string;
      readonly fileName: string | undefined;
      readonly mimeType: string;
      readonly content: AsyncIterable<Uint8Array>;
    };

export interface FormOptions {
  /** Parts with content: one more is `malformed_request`. */
  readonly files: number;
  /** Fields that are files, with or without a file name. */
  readonly fileFields: readonly string[];
  /** What the form should be, for whoever sends another. */
  readonly expected: string;
}

/** A file as far as it has come. The parser begins the next one before the end of this one is heard. */
interface Arriving {
  readonly kind: 'file';
  readonly name: string;
  readonly fileName: string | undefined;
  readonly mimeType: string;
  readonly chunks: Uint8Array[];
  ended: boolean;
}

/**
 * The parts of a multipart body as they come: nothing but what one piece of it holds is in memory.
 * Throws `malformed_request`, also for a body that ends within a part.
 */
export async function* formParts(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  { files, fileFields, expected }: FormOptions,
): AsyncGenerator<FormPart, void, void> {
  const malformed = (cause?: unknown): KilnError => new KilnError('malformed_request', { detail: expected, cause });
  let parser: InstanceType<typeof Busboy>;
  try {
    parser = new Busboy({
      headers: { 'content-type': contentType },
      isPartAFile: (field, _type, fileName) => fileFields.includes(field ?? '') || fileName !== undefined,
      limits: {
        fields: limits.http.form.fields,
        fieldSize: limits.http.form.fieldBytes,
        files: files + 1,
        parts: files + limits.http.form.otherParts,
        headerPairs: limits.http.form.headersOfPart,
        headerSize: limits.http.form.headerBytes,
      },
    });
  } catch (error) {
    throw malformed(error);
  }
  const queue: (Arriving | Extract<FormPart, { kind: 'field' }>)[] = [];
  let count = 0;
  let failure: unknown;
  parser.on('field', (name, value) => void queue.push({ kind: 'field', name, value }));
  parser.on('file', (name, stream, fileName, _encoding, mimeType) => {
    count += 1;
    const file: Arriving = { kind: 'file', name, fileName: fileName || undefined, mimeType, chunks: [], ended: false };
    queue.push(file);
    stream.on('data', (chunk: Uint8Array) => void file.chunks.push(chunk));
    stream.on('end', () => {
      file.ended = true;
    });
    stream.on('error', (error: unknown) => {
      failure = error;
    });
  });
  // A parser that failed calls nobody back.
  let resume = (): void => {};
  parser.on('error', (error: unknown) => {
    failure = error;
    resume();
  });
  const pieces = body[Symbol.asyncIterator]();
  let over = false;
  /** Reads on; false at the end. */
  const advance = async (): Promise<boolean> => {
    if (over) return false;
    const { value: piece, done } = await pieces.next();
    await new Promise<void>((resolve) => {
      resume = resolve;
      if (!done) return parser.write(piece, () => resolve());
      over = true;
      parser.on('finish', resolve);
      parser.end();
    });
    if (failure !== undefined || count > files) throw malformed(failure);
    return true;
  };
  const contentOf = async function* (file: Arriving): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const chunk = file.chunks.shift();
      if (chunk) yield chunk;
      else if (file.ended) return;
      else if (!(await advance())) throw malformed();
    }
  };
  try {
    do {
      for (let part = queue.shift(); part; part = queue.shift()) {
        if (part.kind === 'field') {
          yield part;
          continue;
        }
        const { kind, name, fileName, mimeType } = part;
        yield { kind, name, fileName, mimeType, content: contentOf(part) };
        for await (const _rest of contentOf(part));
      }
    } while (await advance());
    if (failure !== undefined) throw malformed(failure);
  } finally {
    await pieces.return?.();
  }
}
