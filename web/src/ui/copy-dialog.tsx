import { useRef } from 'preact/hooks';
import { newId } from '../../../src/contract/ids.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { Project } from '../../../src/contract/projects.ts';
import { navigate, projectPath } from '../router.ts';
import { copyProject } from '../state/copies.ts';
import { attempt, toast } from '../state/toasts.ts';
import { TextDialog } from './text-dialog.tsx';

interface CopyDialogProps {
  project: Pick<Project, 'id' | 'name'>;
  fork: boolean;
  onClose: () => void;
}

/** Asks for the name of a copy, makes it and opens it. */
export const CopyDialog = ({ project, fork, onClose }: CopyDialogProps) => {
  // One key for this dialog and name: a click that is repeated after a lost answer makes no second copy.
  const key = useRef<{ name: string; key: string } | undefined>(undefined);
  const suffix = fork ? ' (fork)' : ' (copy)';
  return (
    <TextDialog
      title={fork ? 'Fork the project' : 'Duplicate the project'}
      lead={
        fork
          ? 'A fork remembers where it comes from: its changes can be brought home later.'
          : 'A project of its own, with the same files.'
      }
      label="Name"
      value={`${project.name.slice(0, limits.project.nameMax - suffix.length)}${suffix}`}
      maxLength={limits.project.nameMax}
      action={fork ? 'Fork' : 'Duplicate'}
      onSubmit={(name) =>
        attempt(async () => {
          if (key.current?.name !== name) key.current = { name, key: newId() };
          const copy = await copyProject(project.id, name, fork, key.current.key);
          onClose();
          toast({ kind: 'success', title: fork ? 'Forked' : 'Duplicated', detail: copy.name });
          navigate(projectPath(copy.id));
        })
      }
      onClose={onClose}
    />
  );
};
