import type { Right } from '../rights.ts';

/** Anyone. */
export const everyone = { kind: 'public' } as const;
/** Anyone signed in, who touches only what is their own. */
export const signedIn = { kind: 'user' } as const;
/** A right on the project that the path names. */
export const project = <const R extends Right>(right: R) => ({ kind: 'project', right }) as const;
/** A right on the project of the build that the path names. */
export const build = <const R extends Right>(right: R) => ({ kind: 'build', right }) as const;
/** A right on the project of the asset that the path names; `trashed`: also of one in the trash. */
export const asset = <const R extends Right>(right: R, state?: 'trashed') =>
  ({ kind: 'asset', right, trashed: state === 'trashed' }) as const;
/** A right on the project that the body's `projectId` names. */
export const bodyProject = <const R extends Right>(right: R) => ({ kind: 'body-project', right }) as const;
/** A right on the project that the form's field `projectId` names. */
export const formProject = <const R extends Right>(right: R) => ({ kind: 'form-project', right }) as const;
/** The runner that holds the job's token. */
export const runner = { kind: 'runner' } as const;
/** The operator of the deployment. */
export const operator = { kind: 'system' } as const;
