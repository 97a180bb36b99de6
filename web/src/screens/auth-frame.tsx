import type { ComponentChildren } from 'preact';
import { Arches, Mark } from '../ui/mark.tsx';

/** The kiln on one side, a form on the other. */
export const AuthFrame = ({ children }: { children: ComponentChildren }) => (
  <main class="auth">
    <section class="auth-hero" aria-hidden="true">
      <Arches />
      <div class="auth-words">
        <p class="display">Fire up a game, together.</p>
        <p>Write in the same files, build in seconds, play it right there.</p>
      </div>
    </section>
    <section class="auth-panel">
      <div class="auth-column">
        <div class="wordmark">
          <Mark size={34} /> Kiln
        </div>
        {children}
      </div>
    </section>
  </main>
);
