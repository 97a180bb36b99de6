import { NodeIO, PropertyType } from '@gltf-transform/core';
import { ALL_EXTENSIONS, EXTMeshoptCompression } from '@gltf-transform/extensions';
import { dedup, reorder } from '@gltf-transform/functions';
import { MeshoptDecoder, MeshoptEncoder } from 'meshoptimizer';
import type { Optimizer } from './optimize.ts';
import { optimizePng } from './optimize-png.ts';

const known = new Set<string>(ALL_EXTENSIONS.map((extension) => extension.EXTENSION_NAME));

/**
 * Stores a model's equal parts once and its PNG textures better; with `compressMeshes` also compresses its
 * geometry (EXT_meshopt_compression, without rounding), which the game's loader then has to decode.
 */
export const optimizeGlb: Optimizer = async (bytes, options) => {
  const { extensionsUsed = [], buffers = [], images = [] } = headOf(bytes);
  // What the library does not know it would leave out; what lies in other files it would not find.
  if (extensionsUsed.some((name) => !known.has(name)) || [...buffers, ...images].some(({ uri }) => uri !== undefined))
    return null;
  await Promise.all([MeshoptDecoder.ready, MeshoptEncoder.ready]);
  const io = new NodeIO()
    .registerExtensions(ALL_EXTENSIONS)
    .registerDependencies({ 'meshopt.decoder': MeshoptDecoder, 'meshopt.encoder': MeshoptEncoder });
  const document = await io.readBinary(bytes);
  await document.transform(
    dedup({ propertyTypes: [PropertyType.ACCESSOR, PropertyType.TEXTURE], keepUniqueNames: true }),
  );
  for (const texture of document.getRoot().listTextures()) {
    const image = texture.getImage();
    const smaller = image !== null && texture.getMimeType() === 'image/png' ? await optimizePng(image, options) : null;
    if (smaller !== null) texture.setImage(new Uint8Array(smaller));
  }
  if (options.compressMeshes) {
    await document.transform(reorder({ encoder: MeshoptEncoder }));
    document
      .createExtension(EXTMeshoptCompression)
      .setRequired(true)
      .setEncoderOptions({ method: EXTMeshoptCompression.EncoderMethod.QUANTIZE });
  }
  return await io.writeBinary(document);
};

interface Head {
  readonly extensionsUsed?: readonly string[];
  readonly buffers?: readonly { readonly uri?: string }[];
  readonly images?: readonly { readonly uri?: string }[];
}

/** The JSON chunk of a binary glTF 2.0, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#binary-header */
const headOf = (bytes: Uint8Array): Head => {
  const glb = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (glb.toString('latin1', 0, 4) !== 'glTF' || glb.readUInt32LE(4) !== 2) throw new Error('no binary glTF 2.0');
  return JSON.parse(glb.toString('utf8', 20, 20 + glb.readUInt32LE(12))) as Head;
};
