import { accountEndpoints } from './endpoints/account.ts';
import { archiveEndpoints } from './endpoints/archives.ts';
import { assetEndpoints } from './endpoints/assets.ts';
import { authEndpoints } from './endpoints/auth.ts';
import { buildEndpoints } from './endpoints/builds.ts';
import { collaborationEndpoints } from './endpoints/collaboration.ts';
import { fileEndpoints } from './endpoints/files.ts';
import { historyEndpoints } from './endpoints/history.ts';
import { oauthEndpoints } from './endpoints/oauth.ts';
import { operatorEndpoints } from './endpoints/operator.ts';
import { previewEndpoints } from './endpoints/previews.ts';
import { projectEndpoints } from './endpoints/projects.ts';
import { publicationEndpoints } from './endpoints/publications.ts';
import { recoveryEndpoints } from './endpoints/recovery.ts';
import { runnerEndpoints } from './endpoints/runner.ts';
import { sharingEndpoints } from './endpoints/sharing.ts';
import { systemEndpoints } from './endpoints/system.ts';
import { templateEndpoints } from './endpoints/templates.ts';

/** Every HTTP endpoint of Kiln. The router, the OpenAPI document, the gate and the typed client are made from this. */
export const endpoints = {
  ...authEndpoints,
  ...accountEndpoints,
  ...recoveryEndpoints,
  ...oauthEndpoints,
  ...projectEndpoints,
  ...archiveEndpoints,
  ...sharingEndpoints,
  ...fileEndpoints,
  ...historyEndpoints,
  ...collaborationEndpoints,
  ...assetEndpoints,
  ...buildEndpoints,
  ...publicationEndpoints,
  ...previewEndpoints,
  ...templateEndpoints,
  ...runnerEndpoints,
  ...systemEndpoints,
  ...operatorEndpoints,
} as const;

export type EndpointName = keyof typeof endpoints;
