import * as z from 'zod';
import type { AssetMetadata } from '../../contract/assets.ts';
import { limits } from '../../contract/limits.ts';
import { type Reader, Unreadable } from './source.ts';

const { modelBytes, modelExtensions, textMax } = limits.media;
const list = z.array(z.unknown()).default([]);

/** As much of glTF 2.0 as is counted. */
const Gltf = z.object({
  scenes: list,
  nodes: list,
  materials: list,
  textures: list,
  animations: list,
  skins: list,
  extensionsRequired: z.array(z.string().max(textMax)).max(modelExtensions).default([]),
  accessors: z.array(z.object({ count: z.int().nonnegative().catch(0) })).default([]),
  meshes: z
    .array(
      z.object({
        primitives: z.array(
          z.object({
            mode: z.int().catch(4).default(4),
            indices: z.int().optional(),
            attributes: z.record(z.string(), z.int()).default({}),
          }),
        ),
      }),
    )
    .default([]),
});

/** Triangles of so many vertices, by how they are strung together. glTF 2.0, §3.7.2.1. */
const trianglesOf = (mode: number, vertices: number): number =>
  mode === 4 ? Math.floor(vertices / 3) : mode === 5 || mode === 6 ? Math.max(0, vertices - 2) : 0;

async function jsonOf(reader: Reader, mimeType: string): Promise<unknown> {
  let [at, length] = [0, reader.size];
  if (mimeType === 'model/gltf-binary') {
    const header = await reader.view(0, 20);
    if (header.getUint32(16, true) !== 0x4e4f534a) throw new Unreadable();
    [at, length] = [20, header.getUint32(12, true)];
  }
  if (length > modelBytes) throw new Unreadable();
  return JSON.parse(new TextDecoder().decode(await reader.exactly(at, length)));
}

/** What a model is made of. */
export async function readModel(reader: Reader, into: AssetMetadata, mimeType: string): Promise<void> {
  if (!mimeType.startsWith('model/gltf')) return;
  const gltf = Gltf.parse(await jsonOf(reader, mimeType));
  for (const name of ['scenes', 'nodes', 'meshes', 'materials', 'textures', 'animations', 'skins'] as const)
    into[name] = gltf[name].length;
  const countOf = (accessor: number | undefined): number => gltf.accessors[accessor ?? -1]?.count ?? 0;
  const primitives = gltf.meshes.flatMap((mesh) => mesh.primitives);
  // Primitives of one mesh may share their vertices.
  const positions = new Set(primitives.map(({ attributes }) => attributes.POSITION));
  into.vertices = [...positions].reduce<number>((sum, accessor) => sum + countOf(accessor), 0);
  into.triangles = primitives.reduce(
    (sum, { mode, indices, attributes }) => sum + trianglesOf(mode, countOf(indices ?? attributes.POSITION)),
    0,
  );
  if (gltf.extensionsRequired.length > 0) into.extensions = gltf.extensionsRequired;
}
