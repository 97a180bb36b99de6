import { computed, signal } from '@preact/signals';

export type Route = { name: 'projects' } | { name: 'project'; id: string } | { name: 'unknown' };

const pathname = signal(location.pathname);
window.addEventListener('popstate', () => {
  pathname.value = location.pathname;
});

const parse = (path: string): Route => {
  if (path === '/') return { name: 'projects' };
  const id = /^\/p\/([^/]+)\/?$/.exec(path)?.[1];
  return id === undefined ? { name: 'unknown' } : { name: 'project', id: decodeURIComponent(id) };
};

/** Where the user is: `/` or `/p/:id`. */
export const route = computed(() => parse(pathname.value));

export const navigate = (to: string): void => {
  if (to !== location.pathname) history.pushState(null, '', to);
  pathname.value = location.pathname;
};

export const projectPath = (id: string): string => `/p/${encodeURIComponent(id)}`;

/** Props of a link that stays in the page, and still opens in a new tab when asked to. */
export const linkTo = (to: string) => ({
  href: to,
  onClick: (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  },
});
