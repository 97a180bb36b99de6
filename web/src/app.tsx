import { useSignal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { route } from './router.ts';
import { AccountScreen } from './screens/account.tsx';
import { AuthScreen } from './screens/auth.tsx';
import { InviteScreen } from './screens/invite.tsx';
import { NotFound } from './screens/not-found.tsx';
import { ProjectsScreen } from './screens/projects.tsx';
import { ForgotScreen, ResetScreen, SignedIn, VerifyScreen } from './screens/recovery.tsx';
import { restoreSession, session } from './state/session.ts';
import { ConfirmHost } from './ui/confirm.tsx';
import { Mark } from './ui/mark.tsx';
import { ToastHost } from './ui/toasts.tsx';

/** Editor, room and their libraries are most of the code, so they load with the first project. */
const LazyWorkspace = ({ projectId }: { projectId: string }) => {
  const screen = useSignal<{ Screen: ComponentType<{ projectId: string }> } | undefined>(undefined);
  useEffect(() => {
    void import('./workspace/screen.tsx').then(({ WorkspaceScreen }) => {
      screen.value = { Screen: WorkspaceScreen };
    });
  }, [screen]);
  const Screen = screen.value?.Screen;
  // The key makes another project a new workspace instead of a changed one.
  return Screen === undefined ? <Splash /> : <Screen key={projectId} projectId={projectId} />;
};

const Splash = () => (
  <div class="splash" role="status" aria-label="Loading">
    <Mark size={56} glowing />
  </div>
);

const Unreachable = () => (
  <main class="message-page">
    <Mark size={56} />
    <h1>Kiln cannot be reached</h1>
    <p>Your work is safe. Check the connection and try again.</p>
    <button type="button" class="button primary" onClick={() => void restoreSession()}>
      Try again
    </button>
  </main>
);

const Screen = () => {
  const { state } = session.value;
  const place = route.value;
  if (state === 'restoring') return <Splash />;
  if (place.name === 'verify-email') return <VerifyScreen />;
  if (place.name === 'reset-password') return <ResetScreen />;
  if (place.name === 'signed-in') return <SignedIn />;
  if (state === 'unreachable') return <Unreachable />;
  if (state === 'signed-out' && place.name === 'forgot-password') return <ForgotScreen />;
  if (state === 'signed-out') return <AuthScreen invited={place.name === 'invite'} />;
  if (place.name === 'project') return <LazyWorkspace projectId={place.id} />;
  if (place.name === 'account') return <AccountScreen />;
  if (place.name === 'projects' || place.name === 'sign-in' || place.name === 'forgot-password')
    return <ProjectsScreen />;
  if (place.name === 'invite') return <InviteScreen key={place.token} token={place.token} />;
  return <NotFound />;
};

export const App = () => (
  <>
    <Screen />
    <ConfirmHost />
    <ToastHost />
  </>
);
