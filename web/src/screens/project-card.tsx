import type { Project } from '../../../src/contract/projects.ts';
import { linkTo, projectPath } from '../router.ts';
import { DownloadButton } from '../ui/download.tsx';
import { formatAgo, formatBytes, hashOf, plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Arches } from '../ui/mark.tsx';
import { MenuButton } from '../ui/menu.tsx';

const roleNames = { owner: 'Owner', editor: 'Editor', viewer: 'Viewer', public: 'Public' } as const;

const glazes = ['shino', 'celadon', 'cobalt', 'oxblood', 'tenmoku', 'jun'] as const;
const glazeOf = (id: string) => glazes[hashOf(id) % glazes.length] ?? 'shino';

interface ProjectCardProps {
  project: Project;
  onDelete: () => void;
  onRestore: () => void;
  onCopy: (fork: boolean) => void;
}

/** A project of the list, or of the trash. */
export const ProjectCard = ({ project, onDelete, onRestore, onCopy }: ProjectCardProps) => {
  const trashed = project.deletedAt !== null;
  const cover = (
    <div class={`cover glaze-${glazeOf(project.id)}`} aria-hidden="true">
      <Arches rings={6} />
      <span class="cover-letter">{[...project.name][0]?.toUpperCase()}</span>
    </div>
  );
  return (
    <article class={trashed ? 'card trashed' : 'card'} data-testid={`project-${project.id}`}>
      {cover}
      <div class="card-body">
        <div class="card-title">
          <h2>{trashed ? project.name : <a {...linkTo(projectPath(project.id))}>{project.name}</a>}</h2>
          {project.forkedFrom !== null && (
            <span class="badge fork" title="A fork of another project" data-testid={`fork-${project.id}`}>
              <Icon name="fork" size={11} /> Fork
            </span>
          )}
          <span class={`badge ${project.role}`}>{roleNames[project.role]}</span>
        </div>
        <p class="card-meta">
          {plural(project.fileCount, 'file')} · {formatBytes(project.totalSize)} ·{' '}
          <time dateTime={project.deletedAt ?? project.updatedAt}>
            {trashed ? `deleted ${formatAgo(project.deletedAt ?? project.updatedAt)}` : formatAgo(project.updatedAt)}
          </time>
        </p>
      </div>
      {trashed && (
        <div class="card-actions">
          <button type="button" class="button small" data-testid={`restore-${project.id}`} onClick={onRestore}>
            <Icon name="reload" size={13} /> Restore
          </button>
          <button type="button" class="button small" data-testid={`erase-${project.id}`} onClick={onDelete}>
            <Icon name="trash" size={13} /> Erase for good
          </button>
        </div>
      )}
      {!trashed && (
        <div class="card-tools">
          <MenuButton
            label={`Copy ${project.name}`}
            icon="copy"
            class="icon-button card-action"
            testId={`copy-${project.id}`}
            items={() => [
              { label: 'Duplicate', icon: 'copy', testId: 'card-duplicate', run: () => onCopy(false) },
              { label: 'Fork', icon: 'fork', testId: 'card-fork', run: () => onCopy(true) },
            ]}
          />
          <DownloadButton project={project} class="icon-button card-action" />
          {project.role === 'owner' && (
            <button
              type="button"
              class="icon-button card-action danger"
              aria-label={`Move ${project.name} to the trash`}
              title="Move to trash"
              data-testid={`trash-${project.id}`}
              onClick={onDelete}
            >
              <Icon name="trash" />
            </button>
          )}
        </div>
      )}
    </article>
  );
};
