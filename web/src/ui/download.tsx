import { useSignal } from '@preact/signals';
import type { Project } from '../../../src/contract/projects.ts';
import { downloadProject } from '../state/archives.ts';
import { attempt } from '../state/toasts.ts';
import { Icon } from './icon.tsx';

export const DownloadButton = ({ project, class: look }: { project: Project; class: string }) => {
  const busy = useSignal(false);
  const download = async () => {
    if (busy.value) return;
    busy.value = true;
    await attempt(() => downloadProject(project));
    busy.value = false;
  };
  return (
    <button
      type="button"
      class={look}
      data-testid={`download-${project.id}`}
      aria-label={`Download ${project.name} as zip`}
      title="Download as zip"
      aria-busy={busy.value}
      onClick={() => void download()}
    >
      <Icon name={busy.value ? 'reload' : 'download'} />
    </button>
  );
};
