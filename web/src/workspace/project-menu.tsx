import { useSignal } from '@preact/signals';
import { CopyDialog } from '../ui/copy-dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { MenuButton, type MenuItem } from '../ui/menu.tsx';
import { BuildDialog } from './build-dialog.tsx';
import { useWorkspace } from './context.ts';
import { ForksDialog } from './forks-dialog.tsx';
import { SettingsDialog } from './settings-dialog.tsx';

type Asked = 'forks' | 'fork' | 'duplicate' | 'settings';

/** What can be done with the project as a whole, beside its title. */
export const ProjectMenu = () => {
  const workspace = useWorkspace();
  const dialog = useSignal<Asked | undefined>(undefined);
  const project = workspace.project.value;
  if (project === undefined || workspace.ended.value !== undefined) return null;
  const ask = (what: Asked) => () => {
    dialog.value = what;
  };
  const close = () => {
    dialog.value = undefined;
  };
  const items = (): MenuItem[] => [
    ...(workspace.canReadHistory.value
      ? [
          {
            label: 'History',
            icon: 'history' as const,
            testId: 'project-history',
            run: () => workspace.showHistory(),
          },
        ]
      : []),
    ...(workspace.canBuild.value
      ? [
          {
            label: 'Check types and build',
            icon: 'check' as const,
            testId: 'build-checked',
            run: () => void workspace.builds.start(undefined, { typecheck: true }),
          },
          {
            label: 'Build to play offline',
            icon: 'offline' as const,
            testId: 'build-offline',
            run: () => void workspace.builds.start(undefined, { offline: true }),
          },
          {
            label: 'Build with options…',
            icon: 'flame' as const,
            testId: 'build-options',
            run: () => {
              workspace.builds.asked.value = 'remembered';
            },
          },
        ]
      : []),
    { label: 'Forks and merges', icon: 'merge', testId: 'project-forks', run: ask('forks') },
    { label: 'Fork', icon: 'fork', testId: 'project-fork', run: ask('fork') },
    { label: 'Duplicate', icon: 'copy', testId: 'project-duplicate', run: ask('duplicate') },
    ...(workspace.canManage.value
      ? [{ label: 'Settings…', icon: 'pencil' as const, testId: 'project-settings', run: ask('settings') }]
      : []),
  ];
  return (
    <>
      {project.forkedFrom !== null && (
        <button
          type="button"
          class="fork-badge"
          title="This is a fork: see where it comes from"
          data-testid="fork-badge"
          onClick={ask('forks')}
        >
          <Icon name="fork" size={12} /> <span class="wide-only">Fork</span>
        </button>
      )}
      <MenuButton label="What to do with the project" items={items} testId="project-menu" />
      {workspace.builds.asked.value !== undefined && <BuildDialog begin={workspace.builds.asked.value} />}
      {dialog.value === 'settings' && <SettingsDialog onClose={close} />}
      {dialog.value === 'forks' && <ForksDialog onFork={ask('fork')} onClose={close} />}
      {(dialog.value === 'fork' || dialog.value === 'duplicate') && (
        <CopyDialog project={project} fork={dialog.value === 'fork'} onClose={close} />
      )}
    </>
  );
};
