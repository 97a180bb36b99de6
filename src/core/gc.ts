/**
 * What to do with a stored object. Deleting is two steps, each after the grace period and each after
 * the database and every room have been asked anew: an object is first *set aside* (moved to a place
 * that readers fall back to), later deleted. docs/decisions/0007-garbage-collection.md says why.
 */
export type LiveVerdict = 'keep' | 'set-aside';

/** An object in its place. `uploaded`: when its bytes were last put, milliseconds since the epoch. */
export const judgeLive = (
  object: { readonly uploaded: number },
  referenced: boolean,
  now: number,
  grace: number,
): LiveVerdict => (referenced || object.uploaded > now - grace ? 'keep' : 'set-aside');

export type AsideVerdict = 'keep' | 'put-back' | 'delete';

/** An object that was set aside at `since`. Referenced again, it goes back, however old it is. */
export const judgeAside = (
  object: { readonly since: number },
  referenced: boolean,
  now: number,
  grace: number,
): AsideVerdict => (referenced ? 'put-back' : object.since > now - grace ? 'keep' : 'delete');
