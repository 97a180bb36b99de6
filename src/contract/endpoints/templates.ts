import { endpoint } from '../endpoint.ts';
import { TemplateDetail, TemplateList, TemplateQuery } from '../templates.ts';
import { everyone } from './access.ts';

/** Starters. */
export const templateEndpoints = {
  listTemplates: endpoint({
    method: 'GET',
    path: '/api/templates',
    tag: 'Templates',
    summary: 'Templates to start from',
    access: everyone,
    query: TemplateQuery,
    responses: { 200: { description: 'One page', json: TemplateList } },
  }),
  getTemplate: endpoint({
    method: 'GET',
    path: '/api/templates/{id}',
    tag: 'Templates',
    summary: 'One template and its files',
    access: everyone,
    responses: { 200: { description: 'The template', json: TemplateDetail } },
  }),
  getTemplateThumbnail: endpoint({
    method: 'GET',
    path: '/api/templates/{id}/thumbnail',
    tag: 'Templates',
    summary: 'The picture of a template',
    access: everyone,
    responses: { 200: { description: 'SVG', contentType: 'image/svg+xml' } },
  }),
} as const;
