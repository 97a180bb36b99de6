import { limits } from '../../../src/contract/limits.ts';
/** Hands bytes to the browser's download. For what is made here, and what needs a token: a plain link would carry none. Large ones the browser keeps on disk. */
export const saveBlob = (blob: Blob, name: string): void => {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The download reads the URL after this turn.
  setTimeout(() => URL.revokeObjectURL(url), limits.workspace.savedFor);
};
