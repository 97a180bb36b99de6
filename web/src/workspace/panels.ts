import { type Signal, useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import type { Workspace } from './model.ts';

/** Windows in which the file list, and the dock, lie over the editors; as in `workspace.css`. */
const narrowFor = { files: '(max-width: 900px)', dock: '(max-width: 1100px)' };

export interface Panels {
  readonly files: Signal<boolean>;
  readonly dock: Signal<boolean>;
}

/** A panel that goes when the window gets too narrow for it, and comes back with the room. `needed` keeps it. */
function usePanel(query: string, needed: () => boolean): { open: Signal<boolean>; narrow: MediaQueryList } {
  const narrow = useMemo(() => matchMedia(query), [query]);
  const open = useSignal(!narrow.matches);
  const keep = useRef(needed);
  keep.current = needed;
  useEffect(() => {
    let wentAway = false;
    const onChange = () => {
      if (narrow.matches) {
        wentAway = open.value && !keep.current();
        if (wentAway) open.value = false;
      } else if (wentAway) open.value = true;
    };
    narrow.addEventListener('change', onChange);
    return () => narrow.removeEventListener('change', onChange);
  }, [narrow, open]);
  return { open, narrow };
}

/** Which panels beside the editors are open. Where they would lie over one another, the one that opens sends the others away. */
export function usePanels(workspace: Workspace): Panels {
  const { search, history, assets, front, builds, talk } = workspace;
  const files = usePanel(narrowFor.files, () => search.open.value || history.open.value || assets.open.value);
  const dock = usePanel(narrowFor.dock, () => false);

  /** What lies over the editors; the same one read again is the same. */
  const over = useComputed(() => {
    const looked = { checkpoint: history.looked.value?.id, asset: assets.looked.value?.id, merge: '', editor: '' };
    return front.value === 'editor' ? undefined : `${front.value} ${looked[front.value] ?? ''}`;
  });
  const talking = useComputed(() => talk.panel.value !== undefined);

  // A build that was started with the dock away brings it back.
  useSignalEffect(() => {
    if (builds.starting.value) dock.open.value = true;
  });
  useSignalEffect(() => {
    if (search.asked.value > 0 || history.open.value) files.open.value = true;
  });
  // Where there is no room for both, the lists make way for what is looked at.
  useSignalEffect(() => {
    if (over.value === undefined) return;
    if (files.narrow.matches) files.open.value = false;
    if (dock.narrow.matches) dock.open.value = false;
  });
  useSignalEffect(() => {
    if (!files.open.value || !files.narrow.matches) return;
    dock.open.value = false;
    talk.show(undefined);
  });
  useSignalEffect(() => {
    if (!dock.open.value || !dock.narrow.matches) return;
    if (files.narrow.matches) files.open.value = false;
    talk.show(undefined);
  });
  useSignalEffect(() => {
    if (!talking.value || !dock.narrow.matches) return;
    if (files.narrow.matches) files.open.value = false;
    dock.open.value = false;
  });
  return { files: files.open, dock: dock.open };
}
