import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { colorOf } from '../../../src/contract/color.ts';
import { linkTo } from '../router.ts';
import { session, signOut } from '../state/session.ts';
import { Avatar } from './avatar.tsx';
import { Icon } from './icon.tsx';

/** The signed-in user, and the way out. */
export const AccountMenu = () => {
  const open = useSignal(false);
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const onDown = (event: Event) => {
      if (event.target instanceof Node && !element.current?.contains(event.target)) open.value = false;
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape') open.value = false;
    };
    document.addEventListener('pointerdown', onDown);
    document.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('pointerdown', onDown);
      document.removeEventListener('keydown', onKey);
    };
  }, [open]);
  const current = session.value;
  if (current.state !== 'signed-in') return null;
  const { user } = current;
  return (
    <div ref={element} class="account">
      <button
        type="button"
        class="account-button"
        aria-haspopup="true"
        aria-expanded={open.value}
        aria-label={`Account of ${user.displayName}`}
        onClick={() => {
          open.value = !open.value;
        }}
      >
        <Avatar person={{ displayName: user.displayName, color: colorOf(user.id) }} size={30} />
      </button>
      {open.value && (
        <div class="menu" data-testid="account-menu">
          <div class="menu-head">
            <strong>{user.displayName}</strong>
            <span class="muted">
              @{user.username} · {user.email}
            </span>
          </div>
          <a class="menu-item" data-testid="open-account" {...linkTo('/account')}>
            <Icon name="person" /> Account
          </a>
          <button type="button" class="menu-item" data-testid="sign-out" onClick={() => void signOut()}>
            <Icon name="exit" /> Sign out
          </button>
        </div>
      )}
    </div>
  );
};
