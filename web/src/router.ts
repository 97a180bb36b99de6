import { computed, signal } from '@preact/signals';

/** Places with a plain path of their own name. */
const pages = ['account', 'sign-in', 'signed-in', 'forgot-password', 'reset-password', 'verify-email'] as const;

export type Route =
  | { name: 'projects' }
  | { name: 'project'; id: string }
  | { name: 'invite'; token: string }
  | { name: (typeof pages)[number] }
  | { name: 'unknown' };

const pathname = signal(location.pathname);
window.addEventListener('popstate', () => {
  pathname.value = location.pathname;
});

const parse = (path: string): Route => {
  if (path === '/') return { name: 'projects' };
  const page = pages.find((name) => path === `/${name}`);
  if (page !== undefined) return { name: page };
  const token = /^\/invite\/([\w-]+)\/?$/.exec(path)?.[1];
  if (token !== undefined) return { name: 'invite', token };
  const id = /^\/p\/([^/]+)\/?$/.exec(path)?.[1];
  return id === undefined ? { name: 'unknown' } : { name: 'project', id: decodeURIComponent(id) };
};

/** Where the user is: `/`, `/p/:id`, `/invite/:token`, or one of the pages. */
export const route = computed(() => parse(pathname.value));

/** `replace`: the place that is left is not one to come back to. */
export const navigate = (to: string, replace = false): void => {
  if (to !== location.pathname) history[replace ? 'replaceState' : 'pushState'](null, '', to);
  pathname.value = location.pathname;
};

/** A project with a merge of another one into it begun. Can be sent to whoever is to merge. */
export const mergePath = (id: string, from: string): string => `${projectPath(id)}?merge=${encodeURIComponent(from)}`;

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
