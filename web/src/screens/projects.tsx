import { useComputed, useSignal } from '@preact/signals';
import { useCallback, useEffect } from 'preact/hooks';
import { limits } from '../../../src/contract/limits.ts';
import type { Project } from '../../../src/contract/projects.ts';
import { day } from '../../../src/contract/units.ts';
import { client } from '../state/session.ts';
import { attempt, describeError, toast } from '../state/toasts.ts';
import { confirm } from '../ui/confirm.tsx';
import { CopyDialog } from '../ui/copy-dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { Arches } from '../ui/mark.tsx';
import { SiteHead } from '../ui/site-head.tsx';
import { ImportDialog } from './import-project.tsx';
import { NewProjectDialog } from './new-project.tsx';
import { ProjectCard } from './project-card.tsx';

type Page =
  | { state: 'loading' }
  | { state: 'failed'; title: string; detail?: string | undefined }
  | { state: 'ready'; projects: Project[]; nextCursor: string | null };

export const ProjectsScreen = () => {
  const search = useSignal('');
  const trashed = useSignal(false);
  const creating = useSignal(false);
  const importing = useSignal(false);
  const copying = useSignal<{ project: Project; fork: boolean } | undefined>(undefined);
  const page = useSignal<Page>({ state: 'loading' });
  const query = useComputed(() => ({
    q: search.value.trim() || undefined,
    trashed: trashed.value,
    limit: limits.workspace.cards,
  }));

  const load = useCallback(
    async (signal?: AbortSignal) => {
      try {
        const { projects, nextCursor } = await client.call('listProjects', {
          query: query.value,
          ...(signal ? { signal } : {}),
        });
        page.value = { state: 'ready', projects, nextCursor };
      } catch (error) {
        if (!signal?.aborted) page.value = { state: 'failed', ...describeError(error) };
      }
    },
    [page, query],
  );

  useEffect(() => {
    document.title = 'Projects · Kiln';
  }, []);

  useEffect(() => {
    const aborter = new AbortController();
    const timer = setTimeout(() => void load(aborter.signal), search.value === '' ? 0 : limits.workspace.filterAfter);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [load, search.value, trashed.value]);

  const more = () =>
    attempt(async () => {
      const current = page.value;
      if (current.state !== 'ready' || current.nextCursor === null) return;
      const next = await client.call('listProjects', {
        query: { ...query.value, cursor: current.nextCursor },
      });
      page.value = {
        state: 'ready',
        projects: [...current.projects, ...next.projects],
        nextCursor: next.nextCursor,
      };
    });

  const remove = async (project: Project) => {
    const permanent = project.deletedAt !== null;
    const yes = await confirm(
      permanent
        ? {
            title: `Erase “${project.name}”?`,
            text: 'Its files, builds and history are erased now. This cannot be undone.',
            action: 'Erase for good',
            typed: project.name,
          }
        : {
            title: `Delete “${project.name}”?`,
            text: `It moves to the trash and is erased there after ${limits.project.trashTtl / day} days.`,
            action: 'Move to trash',
          },
    );
    if (!yes) return;
    await attempt(async () => {
      await client.call('deleteProject', { params: { id: project.id }, query: { permanent } });
      toast({ kind: 'success', title: permanent ? 'Erased' : 'Moved to the trash', detail: project.name });
      await load();
    });
  };

  const restore = (project: Project) =>
    attempt(async () => {
      await client.call('restoreProject', { params: { id: project.id } });
      toast({ kind: 'success', title: 'Restored', detail: project.name });
      await load();
    });

  const current = page.value;
  return (
    <div class="page">
      <SiteHead />
      <main class="projects">
        <div class="projects-head">
          <h1>{trashed.value ? 'Trash' : 'Projects'}</h1>
          <div class="projects-tools">
            <label class="search">
              <Icon name="search" />
              <input
                type="search"
                placeholder="Search"
                aria-label="Search projects"
                value={search.value}
                onInput={(event) => {
                  search.value = event.currentTarget.value;
                }}
              />
            </label>
            <button
              type="button"
              class="button"
              aria-pressed={trashed.value}
              data-testid="trash"
              onClick={() => {
                page.value = { state: 'loading' };
                trashed.value = !trashed.value;
              }}
            >
              <Icon name="trash" /> Trash
            </button>
            <button
              type="button"
              class="button"
              data-testid="import-project"
              title="Make a project from a zip archive"
              onClick={() => {
                importing.value = true;
              }}
            >
              <Icon name="upload" /> Import a zip
            </button>
            <button
              type="button"
              class="button primary"
              data-testid="new-project"
              onClick={() => {
                creating.value = true;
              }}
            >
              <Icon name="plus" /> New project
            </button>
          </div>
        </div>
        {trashed.value && (
          <p class="projects-note">
            What is in the trash is erased {limits.project.trashTtl / day} days after it was deleted.
          </p>
        )}
        {current.state === 'loading' && (
          <div class="cards" role="status" aria-label="Loading projects">
            {[1, 2, 3].map((key) => (
              <div key={key} class="card skeleton" />
            ))}
          </div>
        )}
        {current.state === 'failed' && (
          <div class="empty" role="alert">
            <h2>{current.title}</h2>
            <p>{current.detail}</p>
            <button type="button" class="button" onClick={() => void load()}>
              Try again
            </button>
          </div>
        )}
        {current.state === 'ready' && current.projects.length === 0 && (
          <div class="empty">
            <Arches rings={7} />
            {search.value.trim() !== '' ? (
              <p>Nothing is called “{search.value.trim()}”.</p>
            ) : trashed.value ? (
              <p>The trash is empty.</p>
            ) : (
              <>
                <h2>The kiln is cold</h2>
                <p>Start from a template, and have something to play in a minute.</p>
                <button
                  type="button"
                  class="button primary"
                  onClick={() => {
                    creating.value = true;
                  }}
                >
                  <Icon name="plus" /> New project
                </button>
              </>
            )}
          </div>
        )}
        {current.state === 'ready' && current.projects.length > 0 && (
          <>
            <div class="cards">
              {current.projects.map((project) => (
                <ProjectCard
                  key={project.id}
                  project={project}
                  onDelete={() => void remove(project)}
                  onRestore={() => void restore(project)}
                  onCopy={(fork) => {
                    copying.value = { project, fork };
                  }}
                />
              ))}
            </div>
            {current.nextCursor !== null && (
              <button type="button" class="button more" onClick={() => void more()}>
                Show more
              </button>
            )}
          </>
        )}
      </main>
      {copying.value !== undefined && (
        <CopyDialog
          project={copying.value.project}
          fork={copying.value.fork}
          onClose={() => {
            copying.value = undefined;
          }}
        />
      )}
      {importing.value && (
        <ImportDialog
          onClose={() => {
            importing.value = false;
          }}
        />
      )}
      {creating.value && (
        <NewProjectDialog
          onClose={() => {
            creating.value = false;
          }}
        />
      )}
    </div>
  );
};
