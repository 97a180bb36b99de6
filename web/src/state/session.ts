import { signal } from '@preact/signals';
// Not from the index: it would bring Yjs into the first screen.
import { createClient, memoryAuth } from '../../../src/client/api.ts';
import { KilnApiError } from '../../../src/client/errors.ts';
import { clearOffline } from '../../../src/client/offline.ts';
import type { Session, User } from '../../../src/contract/users.ts';
import { navigate } from '../router.ts';
import { toast } from './toasts.ts';

export type SessionState =
  | { state: 'restoring' }
  | { state: 'unreachable' }
  | { state: 'signed-out' }
  | { state: 'signed-in'; user: User };

/** Only says whether asking for a session is worth a request; the session itself is in an HttpOnly cookie. */
const hint = 'kiln.session';

export const session = signal<SessionState>({ state: 'restoring' });

export const client = createClient({
  baseUrl: location.origin,
  auth: memoryAuth(),
  onSignedOut: () => {
    signedOut();
    toast({
      kind: 'info',
      title: 'You have been signed out',
      detail: 'The session has ended. Sign in to go on.',
    });
  },
});

const signedIn = ({ user }: Session): void => {
  localStorage.setItem(hint, '1');
  session.value = { state: 'signed-in', user };
};

const signedOut = (): void => {
  localStorage.removeItem(hint);
  session.value = { state: 'signed-out' };
};

export const restoreSession = async (): Promise<void> => {
  if (localStorage.getItem(hint) === null) return signedOut();
  session.value = { state: 'restoring' };
  try {
    signedIn(await client.refresh());
  } catch (error) {
    if (error instanceof KilnApiError && error.status === 401) signedOut();
    else session.value = { state: 'unreachable' };
  }
};

/** A provider has left the session's cookie; the page goes on where it was going. */
export const finishSignIn = async (to: string): Promise<void> => {
  localStorage.setItem(hint, '1');
  navigate(to, true);
  await restoreSession();
};

/** The account as it is now, after the page has changed it. */
export const userChanged = (user: User): void => {
  if (session.value.state === 'signed-in') session.value = { state: 'signed-in', user };
};

/** Whatever session there was, it has ended. */
export const forgetSession = (): void => signedOut();

export const signIn = async (body: { email: string; password: string }): Promise<void> =>
  signedIn(await client.login(body));

export const signUp = async (body: {
  email: string;
  username: string;
  password: string;
  displayName?: string;
}): Promise<void> => signedIn(await client.register(body));

/** `to`: where whoever signs in next goes on. */
export const signOut = async (to = '/'): Promise<void> => {
  signedOut();
  navigate(to, true);
  // Whoever signs in here next must not find what was kept of this person's projects.
  await Promise.all([client.logout().catch(() => undefined), clearOffline().catch(() => undefined)]);
};

// Signing out in one tab signs out the others.
window.addEventListener('storage', (event) => {
  if (event.key === hint && event.newValue === null && session.value.state === 'signed-in') location.reload();
});
