import * as z from 'zod';
import { nextCursor, pageQuery } from './common.ts';
import { Id, Sha256 } from './ids.ts';
import { limits } from './limits.ts';

export const Template = z
  .object({
    id: Id,
    slug: z.string(),
    name: z.string(),
    description: z.string(),
    tags: z.array(z.string()),
    author: z.string(),
    thumbnailUrl: z.string().nullable(),
    fileCount: z.int(),
    version: z.string(),
  })
  .meta({ id: 'Template' });
export type Template = z.infer<typeof Template>;

export const TemplateQuery = z.object({
  ...pageQuery,
  q: z.string().max(limits.http.searchMax).optional(),
  tag: z.string().max(limits.project.templateTagMax).optional(),
});
export const TemplateList = z.object({ templates: z.array(Template), nextCursor });
export const TemplateDetail = z.object({
  template: Template.extend({ files: z.array(z.object({ path: z.string(), size: z.int(), hash: Sha256 })) }),
});
