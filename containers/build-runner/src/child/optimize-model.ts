import { type Document, NodeIO, PropertyType } from '@gltf-transform/core';
import { ALL_EXTENSIONS, EXTMeshoptCompression } from '@gltf-transform/extensions';
import { dedup, reorder } from '@gltf-transform/functions';
import { MeshoptDecoder, MeshoptEncoder } from 'meshoptimizer';
import { ElsewhereError, type OptimizeOptions, type Optimizer } from './optimize.ts';
import { optimizePng } from './optimize-png.ts';

const known = new Set<string>(ALL_EXTENSIONS.map((extension) => extension.EXTENSION_NAME));

/** glTF 2.0, as one binary file. */
export const optimizeGlb: Optimizer = async (bytes, options) => {
  const head = headOf(bytes);
  const io = await ioFor(head);
  // The library would decode these itself, as views of memory that is shared.
  if (io === null || urisOf(head).length > 0) return null;
  assertInside(head, [chunkLength(bytes)]);
  const document = await io.readBinary(alone(bytes));
  await shrink(document, options);
  return await io.writeBinary(document);
};

/** glTF 2.0 as JSON, with everything in it as `data:` addresses. */
export const optimizeGltf: Optimizer = async (bytes, options) => {
  const json = JSON.parse(Buffer.from(bytes).toString('utf8')) as Head;
  const io = await ioFor(json);
  if (io === null) return null;
  const resources: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (const [index, part] of [...(json.buffers ?? []), ...(json.images ?? [])].entries()) {
    if (part.uri === undefined) continue;
    const { type, content } = decode(part.uri);
    part.uri = `part-${index}`;
    resources[part.uri] = content;
    if (json.images?.includes(part)) part.mimeType ??= type;
  }
  assertInside(
    json,
    (json.buffers ?? []).map(({ uri = '' }) => resources[uri]?.length),
  );
  const document = await io.readJSON({ json: json as never, resources });
  await shrink(document, options);
  const written = await io.writeJSON(document);
  const embed = (part: Part): void => {
    const content = part.uri === undefined ? undefined : written.resources[part.uri];
    if (content === undefined) return;
    const type = part.mimeType ?? 'application/octet-stream';
    part.uri = `data:${type};base64,${Buffer.from(content).toString('base64')}`;
  };
  for (const part of [...(written.json.buffers ?? []), ...(written.json.images ?? [])]) embed(part);
  return Buffer.from(JSON.stringify(written.json));
};

interface Head {
  readonly extensionsUsed?: readonly string[];
  readonly buffers?: readonly Part[];
  readonly images?: readonly Part[];
  readonly bufferViews?: readonly View[];
  readonly accessors?: readonly Accessor[];
}

interface Part {
  uri?: string;
  mimeType?: string;
  readonly byteLength?: number;
}

interface View {
  readonly buffer: number;
  readonly byteOffset?: number;
  readonly byteLength: number;
  readonly byteStride?: number;
  readonly extensions?: { readonly EXT_meshopt_compression?: View; readonly KHR_meshopt_compression?: View };
}

interface Accessor {
  readonly bufferView?: number;
  readonly byteOffset?: number;
  readonly componentType: number;
  readonly count: number;
  readonly type: string;
}

const componentBytes: Readonly<Record<number, number>> = { 5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4 };
const components: Readonly<Record<string, number>> = {
  SCALAR: 1,
  VEC2: 2,
  VEC3: 3,
  VEC4: 4,
  MAT2: 4,
  MAT3: 9,
  MAT4: 16,
};

/**
 * Throws where a model names bytes that it does not have: the library would read fewer and write that down. `lengths` of its
 * buffers; undefined for one that has no bytes of its own, as behind compressed views.
 */
const assertInside = (
  { buffers = [], bufferViews = [], accessors = [] }: Head,
  lengths: readonly (number | undefined)[],
): void => {
  const within = (inside: boolean): void => {
    if (!inside) throw new Error('the model names bytes that it does not have');
  };
  const check = ({ buffer, byteOffset = 0, byteLength }: View, isStored: boolean): void => {
    const stated = buffers[buffer]?.byteLength ?? -1;
    const length = isStored ? Math.min(stated, lengths[buffer] ?? -1) : stated;
    within(byteOffset >= 0 && byteLength >= 0 && byteOffset + byteLength <= length);
  };
  for (const view of bufferViews) {
    const compressed = view.extensions?.EXT_meshopt_compression ?? view.extensions?.KHR_meshopt_compression;
    check(view, compressed === undefined);
    if (compressed) check(compressed, true);
  }
  for (const { bufferView, byteOffset = 0, componentType, count, type } of accessors) {
    const size = (componentBytes[componentType] ?? Number.NaN) * (components[type] ?? Number.NaN);
    within(size > 0 && count >= 0);
    if (bufferView === undefined) continue;
    const { byteLength = -1, byteStride = size } = bufferViews[bufferView] ?? {};
    within(byteOffset >= 0 && byteOffset + Math.max(0, count - 1) * byteStride + (count > 0 ? size : 0) <= byteLength);
  }
};

const urisOf = ({ buffers = [], images = [] }: Head): string[] =>
  [...buffers, ...images].flatMap(({ uri }) => (uri === undefined ? [] : [uri]));

/**
 * In memory of its own. Offsets and lengths of a model are whatever it says, and the library makes views by them of the whole
 * memory below an array: in that of a Node buffer lie others.
 */
const alone = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);

/** A `data:` address (RFC 2397). */
const decode = (uri: string): { type: string; content: Uint8Array<ArrayBuffer> } => {
  const [, type = '', base64 = '', data = ''] = /^data:([^;,]*)(?:;(?!base64)[^;,]*)*(;base64)?,(.*)$/s.exec(uri) ?? [];
  const content = base64 === '' ? Buffer.from(decodeURIComponent(data), 'latin1') : Buffer.from(data, 'base64');
  return { type: type || 'application/octet-stream', content: alone(content) };
};

/** What reads and writes a model; null where it has what the library does not know and would leave out. Nothing is read from elsewhere. */
const ioFor = async (head: Head): Promise<NodeIO | null> => {
  const { extensionsUsed = [] } = head;
  if (urisOf(head).some((uri) => !uri.startsWith('data:'))) throw new ElsewhereError();
  if (extensionsUsed.some((name) => !known.has(name))) return null;
  await Promise.all([MeshoptDecoder.ready, MeshoptEncoder.ready]);
  return new NodeIO()
    .registerExtensions(ALL_EXTENSIONS)
    .registerDependencies({ 'meshopt.decoder': MeshoptDecoder, 'meshopt.encoder': MeshoptEncoder });
};

/**
 * Stores a model's equal parts once and its PNG textures better; with `compressMeshes` also compresses its
 * geometry (EXT_meshopt_compression, without rounding), which the game's loader then has to decode.
 */
const shrink = async (document: Document, options: OptimizeOptions): Promise<void> => {
  await document.transform(
    dedup({ propertyTypes: [PropertyType.ACCESSOR, PropertyType.TEXTURE], keepUniqueNames: true }),
  );
  for (const texture of document.getRoot().listTextures()) {
    const image = texture.getImage();
    const smaller = image !== null && texture.getMimeType() === 'image/png' ? await optimizePng(image) : null;
    if (smaller !== null) texture.setImage(new Uint8Array(smaller));
  }
  if (!options.compressMeshes) return;
  await document.transform(reorder({ encoder: MeshoptEncoder }));
  document
    .createExtension(EXTMeshoptCompression)
    .setRequired(true)
    .setEncoderOptions({ method: EXTMeshoptCompression.EncoderMethod.QUANTIZE });
};

/** The JSON chunk of a binary glTF 2.0, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#binary-header */
const headOf = (bytes: Uint8Array): Head => {
  const glb = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (glb.toString('latin1', 0, 4) !== 'glTF' || glb.readUInt32LE(4) !== 2) throw new Error('no binary glTF 2.0');
  return JSON.parse(glb.toString('utf8', 20, 20 + glb.readUInt32LE(12))) as Head;
};

/** Bytes of the binary chunk of a GLB, which is its first buffer; undefined without one. */
const chunkLength = (bytes: Uint8Array): number | undefined => {
  const glb = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = 20 + glb.readUInt32LE(12);
  if (glb.length < at + 8 || glb.toString('latin1', at + 4, at + 8) !== 'BIN\0') return undefined;
  return Math.min(glb.readUInt32LE(at), glb.length - at - 8);
};
