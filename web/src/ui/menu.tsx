import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { Icon, type IconName } from './icon.tsx';

export interface MenuItem {
  label: string;
  icon: IconName;
  /** The key that does the same. */
  hint?: string;
  danger?: boolean;
  testId?: string;
  run: () => void;
}

/** Where a menu hangs: below a point of the window, its right edge there with `end`. */
export interface MenuPlace {
  x: number;
  y: number;
  end?: boolean;
}

const margin = 8;

interface MenuProps {
  label: string;
  items: readonly MenuItem[];
  place: MenuPlace;
  onClose: () => void;
}

/** A menu in the top layer. Arrow keys walk it, Escape and whatever is outside close it, and the focus goes back. */
export const Menu = ({ label, items, place, onClose }: MenuProps) => {
  const element = useRef<HTMLDivElement>(null);
  const opener = useRef(document.activeElement);
  const done = useRef(onClose);
  done.current = onClose;

  useLayoutEffect(() => {
    const menu = element.current;
    if (menu === null) return;
    menu.showPopover();
    const { width, height } = menu.getBoundingClientRect();
    const x = place.end ? place.x - width : place.x;
    menu.style.left = `${Math.max(margin, Math.min(x, window.innerWidth - width - margin))}px`;
    menu.style.top = `${Math.max(margin, Math.min(place.y, window.innerHeight - height - margin))}px`;
    menu.querySelector<HTMLElement>('[role="menuitem"]')?.focus();
  }, [place]);

  useEffect(() => {
    const onDown = (event: Event) => {
      if (event.target instanceof Node && !element.current?.contains(event.target)) done.current();
    };
    document.addEventListener('pointerdown', onDown);
    window.addEventListener('resize', done.current);
    return () => {
      document.removeEventListener('pointerdown', onDown);
      window.removeEventListener('resize', done.current);
    };
  }, []);

  const close = () => {
    if (opener.current instanceof HTMLElement) opener.current.focus();
    onClose();
  };
  const onKey = (event: KeyboardEvent) => {
    const all = [...(element.current?.querySelectorAll<HTMLElement>('[role="menuitem"]') ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (event.key === 'ArrowDown') all[(at + 1) % all.length]?.focus();
    else if (event.key === 'ArrowUp') all.at(at <= 0 ? -1 : at - 1)?.focus();
    else if (event.key === 'Home') all[0]?.focus();
    else if (event.key === 'End') all.at(-1)?.focus();
    else if (event.key === 'Escape' || event.key === 'Tab') close();
    else return;
    event.preventDefault();
  };

  return (
    <div
      ref={element}
      class="popup"
      popover="manual"
      role="menu"
      aria-label={label}
      tabIndex={-1}
      // What is behind the menu has keys and clicks of its own.
      onClick={(event) => event.stopPropagation()}
      onKeyDown={(event) => {
        event.stopPropagation();
        onKey(event);
      }}
    >
      {items.map(({ label: text, icon, hint, danger, testId, run }) => (
        <button
          key={text}
          type="button"
          role="menuitem"
          tabIndex={-1}
          class={danger ? 'menu-item danger' : 'menu-item'}
          data-testid={testId}
          onClick={(event) => {
            event.stopPropagation();
            close();
            run();
          }}
        >
          <Icon name={icon} size={15} />
          <span class="menu-text">{text}</span>
          {hint !== undefined && <kbd>{hint}</kbd>}
        </button>
      ))}
    </div>
  );
};

interface MenuButtonProps {
  label: string;
  items: () => readonly MenuItem[];
  class?: string;
  icon?: IconName;
  testId?: string;
}

/** A button that opens a menu below itself. */
export const MenuButton = ({ label, items, class: look, icon = 'more', testId }: MenuButtonProps) => {
  const place = useSignal<MenuPlace | undefined>(undefined);
  return (
    <>
      <button
        type="button"
        class={look ?? 'icon-button'}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={place.value !== undefined}
        data-testid={testId}
        onClick={(event) => {
          event.stopPropagation();
          const { left, right, bottom } = event.currentTarget.getBoundingClientRect();
          const end = left > window.innerWidth / 2;
          place.value = place.value === undefined ? { x: end ? right : left, y: bottom + 4, end } : undefined;
        }}
        // The menu hears of it as a press outside of itself, and would be opened again by the click.
        onPointerDown={(event) => {
          if (place.value !== undefined) event.stopPropagation();
        }}
      >
        <Icon name={icon} />
      </button>
      {place.value !== undefined && (
        <Menu
          label={label}
          items={items()}
          place={place.value}
          onClose={() => {
            place.value = undefined;
          }}
        />
      )}
    </>
  );
};
