import { useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Workspace } from '../model.ts';

/** Opens what the followed person has open. Whoever types or clicks in a file themselves has stopped following. */
export const useFollowing = (workspace: Workspace): void => {
  const { talk } = workspace;
  useSignalEffect(() => {
    const path = talk.followed.value?.path;
    if (path != null && path !== workspace.activePath.peek()) workspace.open(path);
  });
  useEffect(() => {
    const stop = ({ target }: Event) => {
      if (target instanceof Element && target.closest('.panes') !== null) talk.following.value = undefined;
    };
    window.addEventListener('pointerdown', stop);
    window.addEventListener('keydown', stop);
    return () => {
      window.removeEventListener('pointerdown', stop);
      window.removeEventListener('keydown', stop);
    };
  }, [talk]);
};
