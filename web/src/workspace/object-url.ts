import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { toastError } from '../state/toasts.ts';

/**
 * An address of the bytes that `read` gives, for as long as it is the same function. For what needs a token: the request of an
 * `<img>` would carry none. Undefined until they are there, and where it gives none.
 */
export const useObjectUrl = (read: (signal: AbortSignal) => Promise<Blob | undefined>): string | undefined => {
  const address = useSignal<string | undefined>(undefined);
  useEffect(() => {
    const aborter = new AbortController();
    let url: string | undefined;
    read(aborter.signal)
      .then((blob) => {
        if (aborter.signal.aborted || blob === undefined) return;
        url = URL.createObjectURL(blob);
        address.value = url;
      })
      .catch((error: unknown) => {
        if (!aborter.signal.aborted) toastError(error);
      });
    return () => {
      aborter.abort();
      if (url !== undefined) URL.revokeObjectURL(url);
    };
  }, [read, address]);
  return address.value;
};
