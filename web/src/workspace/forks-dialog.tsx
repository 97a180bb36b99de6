import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { KilnApiError } from '../../../src/client/index.ts';
import type { Project } from '../../../src/contract/projects.ts';
import { linkTo, mergePath, navigate, projectPath } from '../router.ts';
import { allProjects } from '../state/copies.ts';
import { toastError } from '../state/toasts.ts';
import { Dialog } from '../ui/dialog.tsx';
import { formatAgo } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { useWorkspace } from './context.ts';

const canWrite = ({ role }: Project): boolean => role === 'owner' || role === 'editor';

const Relative = ({ project, children }: { project: Project; children?: preact.ComponentChildren }) => (
  <div class="relative" data-testid={`relative-${project.id}`}>
    <span class="moment-icon named">
      <Icon name="fork" size={14} />
    </span>
    <span class="relative-text">
      <a class="link" {...linkTo(projectPath(project.id))}>
        {project.name}
      </a>
      <span>changed {formatAgo(project.updatedAt)}</span>
    </span>
    {children}
  </div>
);

interface ForksDialogProps {
  onFork: () => void;
  onClose: () => void;
}

/** Where this project comes from, what came from it, and the ways between them. */
export const ForksDialog = ({ onFork, onClose }: ForksDialogProps) => {
  const workspace = useWorkspace();
  const { client, id } = workspace;
  const forkedFrom = workspace.project.value?.forkedFrom ?? null;
  /** Null: it is not to be seen by this user. */
  const parent = useSignal<Project | null | undefined>(undefined);
  const forks = useSignal<readonly Project[] | undefined>(undefined);

  useEffect(() => {
    allProjects()
      .then((all) => {
        forks.value = all.filter((project) => project.forkedFrom === id);
      })
      .catch(toastError);
    if (forkedFrom === null) return;
    client
      .call('getProject', { params: { id: forkedFrom } })
      .then(({ project }) => {
        parent.value = project;
      })
      .catch((error: unknown) => {
        parent.value = null;
        if (!(error instanceof KilnApiError && error.status === 404)) toastError(error);
      });
  }, [client, id, forkedFrom, forks, parent]);

  const bringIn = (project: Project, isFork: boolean) => {
    onClose();
    workspace.startMerge({ id: project.id, name: project.name, isFork });
  };

  return (
    <Dialog title="Forks and merges" lead={workspace.project.value?.name ?? ''} onClose={onClose}>
      {forkedFrom !== null && (
        <section class="relatives" aria-label="Where it comes from">
          <h3>This is a fork of</h3>
          {parent.value === undefined && <div class="member skeleton" />}
          {parent.value === null && <p class="relative-note">A project that you cannot see, or that is gone.</p>}
          {parent.value != null && (
            <Relative project={parent.value}>
              <span class="relative-actions">
                {workspace.canWrite.value && (
                  <button
                    type="button"
                    class="button small"
                    data-testid="merge-parent"
                    onClick={() => parent.value != null && bringIn(parent.value, false)}
                  >
                    <Icon name="download" size={13} /> Bring in its changes
                  </button>
                )}
                {canWrite(parent.value) && (
                  <button
                    type="button"
                    class="button small"
                    data-testid="merge-home"
                    onClick={() => {
                      onClose();
                      navigate(mergePath(forkedFrom, id));
                    }}
                  >
                    <Icon name="merge" size={13} /> Bring this home
                  </button>
                )}
              </span>
            </Relative>
          )}
        </section>
      )}
      <section class="relatives" aria-label="Forks of this project">
        <h3>Forks of this project</h3>
        {forks.value === undefined && <div class="member skeleton" />}
        {forks.value?.length === 0 && (
          <p class="relative-note">
            None that you can see. Fork the project to try something out beside it, and bring it home when it works.
          </p>
        )}
        {forks.value?.map((fork) => (
          <Relative key={fork.id} project={fork}>
            {workspace.canWrite.value && (
              <button
                type="button"
                class="button small"
                data-testid={`merge-fork-${fork.id}`}
                onClick={() => bringIn(fork, true)}
              >
                <Icon name="merge" size={13} /> Bring it home
              </button>
            )}
          </Relative>
        ))}
      </section>
      <footer class="dialog-actions">
        <button type="button" class="button" data-testid="forks-new" onClick={onFork}>
          <Icon name="fork" /> Fork this project
        </button>
      </footer>
    </Dialog>
  );
};
