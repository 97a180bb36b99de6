import { signal } from '@preact/signals';
import { KilnApiError } from '../../../src/client/errors.ts';
import { limits } from '../../../src/contract/limits.ts';

export interface Toast {
  id: number;
  kind: 'info' | 'success' | 'error';
  title: string;
  detail?: string | undefined;
  requestId?: string | undefined;
}

export const toasts = signal<readonly Toast[]>([]);
let nextId = 1;

export const dismiss = (id: number): void => {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
};

export const toast = (content: Omit<Toast, 'id'>): void => {
  const id = nextId++;
  // The same message twice is one message.
  const others = toasts.value.filter((other) => other.title !== content.title || other.detail !== content.detail);
  toasts.value = [...others.slice(-3), { id, ...content }];
  setTimeout(() => dismiss(id), content.kind === 'error' ? limits.workspace.errorToast : limits.workspace.toast);
};

/** Title, detail and field messages of any error, for people. */
export const describeError = (
  error: unknown,
): { title: string; detail?: string | undefined; requestId?: string | undefined } => {
  if (error instanceof KilnApiError) {
    const fields = error.issues.map((issue) => `${issue.path.replace(/^body\./, '')}: ${issue.message}`).join(' · ');
    const wait = error.retryAfter === undefined ? '' : `Try again in ${error.retryAfter} s.`;
    const detail = [error.detail === error.title ? '' : error.detail, fields, wait].filter(Boolean).join(' ');
    return { title: error.title, detail: detail || undefined, requestId: error.requestId };
  }
  if (error instanceof TypeError)
    return { title: 'Kiln cannot be reached', detail: 'Check the connection and try again.' };
  return {
    title: 'Something went wrong in this page',
    detail: error instanceof Error ? error.message : String(error),
  };
};

/** The same in one sentence, the most telling one. */
export const reasonOf = (error: unknown): string => {
  const { title, detail } = describeError(error);
  return detail ?? title;
};

const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

export const toastError = (error: unknown): void => {
  if (!isAbort(error)) toast({ kind: 'error', ...describeError(error) });
};

/** Runs what a click started; a failure becomes a toast. Resolves to undefined then. */
export const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await work();
  } catch (error) {
    toastError(error);
    return undefined;
  }
};
