import type { Right } from '../rights.ts';
import type { Scope } from '../scopes.ts';

/** Scope that an API key needs for a right; null: no key has it, because it lets other people in or out, or speaks as a person. */
const scopes = {
  'project.read': 'projects:read',
  'project.join': null,
  'project.comment': null,
  'project.write': 'projects:write',
  'project.manage': 'projects:write',
  'history.read': 'projects:read',
  'project.share': null,
  'members.read': 'projects:read',
  'members.leave': null,
  'activity.read': 'projects:read',
  'build.read': 'builds:read',
  'build.create': 'builds:write',
  'build.cancel': 'builds:write',
  'project.publish': 'builds:write',
} as const satisfies { readonly [R in Right]: Scope | null };

/** Anyone. */
export const everyone = { kind: 'public' } as const;
/** A signed-in person, who touches only what is their own. API keys do not open it. */
export const signedIn = { kind: 'user', scope: null } as const;
/** A signed-in person, or an API key with the scope. */
export const userWith = (scope: Scope) => ({ kind: 'user', scope }) as const;
/** A right on the project that the path names. */
export const project = <const R extends Right>(right: R) => ({ kind: 'project', right, scope: scopes[right] }) as const;
/** The same with another scope than the one of the right. */
export const projectWith = <const R extends Right, const S extends Scope | null>(right: R, scope: S) =>
  ({ kind: 'project', right, scope }) as const;
/** A right on the project of the build that the path names. */
export const build = <const R extends Right>(right: R) => ({ kind: 'build', right, scope: scopes[right] }) as const;
/** A right on the project that the body names. */
export const bodyProject = <const R extends Right>(right: R) =>
  ({ kind: 'body-project', right, scope: scopes[right] }) as const;
/** A right on the project of the asset that the path names; `trashed`: also of one in the trash. */
export const asset = <const R extends Right>(right: R, state?: 'trashed') =>
  ({ kind: 'asset', right, scope: scopes[right], trashed: state === 'trashed' }) as const;
/** A right on the project that the form's field `projectId` names. */
export const formProject = <const R extends Right>(right: R) =>
  ({ kind: 'form-project', right, scope: scopes[right] }) as const;
/** The runner that holds the token of a build's attempt. */
export const runner = { kind: 'runner', purpose: 'build' } as const;
/** The runner that holds the token of an attempt at making an asset smaller. */
export const optimizer = { kind: 'runner', purpose: 'optimize' } as const;
/** The runner that holds the token of one picture. */
export const painter = { kind: 'runner', purpose: 'picture' } as const;
/** The operator of the deployment. */
export const operator = { kind: 'system' } as const;
