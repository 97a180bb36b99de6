import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { newId } from '../../../src/contract/ids.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { Template } from '../../../src/contract/templates.ts';
import { navigate, projectPath } from '../router.ts';
import { client } from '../state/session.ts';
import { attempt, toastError } from '../state/toasts.ts';
import { Dialog } from '../ui/dialog.tsx';
import { plural } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';

const blank = 'blank';

export const NewProjectDialog = ({ onClose }: { onClose: () => void }) => {
  const templates = useSignal<Template[] | undefined>(undefined);
  const chosen = useSignal(blank);
  const name = useSignal('');
  const busy = useSignal(false);
  const nameInput = useRef<HTMLInputElement>(null);
  // One key for this dialog: a click that is repeated after a lost answer makes no second project.
  const key = useRef(newId());

  useEffect(() => {
    client
      .call('listTemplates')
      .then((answer) => {
        templates.value = answer.templates;
        if (chosen.value === blank && answer.templates[0] !== undefined) chosen.value = answer.templates[0].slug;
      })
      .catch((error: unknown) => {
        templates.value = [];
        toastError(error);
      });
  }, [templates, chosen]);

  const choose = (slug: string) => {
    chosen.value = slug;
    // Another choice is another project.
    key.current = newId();
    nameInput.current?.focus();
  };

  const create = async (event: SubmitEvent) => {
    event.preventDefault();
    const trimmed = name.value.trim();
    if (trimmed === '' || busy.value) return;
    busy.value = true;
    await attempt(async () => {
      const { project } =
        chosen.value === blank
          ? await client.call('createProject', { body: { name: trimmed }, idempotencyKey: key.current })
          : await client.call('createFromTemplate', {
              params: { templateId: chosen.value },
              body: { name: trimmed },
              idempotencyKey: key.current,
            });
      onClose();
      navigate(projectPath(project.id));
    });
    busy.value = false;
  };

  return (
    <Dialog title="New project" lead="Choose what to start from." wide onClose={onClose}>
      <form onSubmit={(event) => void create(event)}>
        <div class="gallery" role="radiogroup" aria-label="Template">
          {templates.value === undefined && [1, 2, 3].map((n) => <div key={n} class="template skeleton" />)}
          {templates.value?.map((template) => (
            <label
              key={template.id}
              class={chosen.value === template.slug ? 'template chosen' : 'template'}
              data-testid={`template-${template.slug}`}
            >
              <input
                type="radio"
                name="template"
                class="visually-hidden"
                checked={chosen.value === template.slug}
                onChange={() => choose(template.slug)}
              />
              <img
                src={`/api/templates/${encodeURIComponent(template.slug)}/thumbnail`}
                alt=""
                loading="lazy"
                width={320}
                height={180}
              />
              <span class="template-text">
                <strong>{template.name}</strong>
                <span class="muted">{template.description}</span>
                <span class="tags">
                  {template.tags.slice(0, 3).map((tag) => (
                    <span key={tag} class="tag">
                      {tag}
                    </span>
                  ))}
                  <span class="faint">{plural(template.fileCount, 'file')}</span>
                </span>
              </span>
            </label>
          ))}
          {templates.value !== undefined && (
            <label class={chosen.value === blank ? 'template chosen' : 'template'} data-testid="template-blank">
              <input
                type="radio"
                name="template"
                class="visually-hidden"
                checked={chosen.value === blank}
                onChange={() => choose(blank)}
              />
              <span class="template-blank" aria-hidden="true">
                <Icon name="plus" size={28} />
              </span>
              <span class="template-text">
                <strong>Blank</strong>
                <span class="muted">No files at all.</span>
              </span>
            </label>
          )}
        </div>
        <footer class="dialog-actions spread">
          <label class="field grow">
            <span class="visually-hidden">Project name</span>
            <input
              ref={nameInput}
              class="input"
              data-testid="project-name"
              placeholder="Name of the project"
              required
              maxLength={limits.project.nameMax}
              value={name.value}
              onInput={(event) => {
                name.value = event.currentTarget.value;
                key.current = newId();
              }}
              autofocus
            />
          </label>
          <button
            type="submit"
            class="button primary"
            data-testid="create-project"
            disabled={busy.value || name.value.trim() === ''}
            aria-busy={busy.value}
          >
            {busy.value ? 'Creating…' : 'Create'}
          </button>
        </footer>
      </form>
    </Dialog>
  );
};
