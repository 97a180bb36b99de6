import { useSignal } from '@preact/signals';
import { KilnApiError } from '../../../src/client/errors.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { UpdateProject } from '../../../src/contract/projects.ts';
import { Dialog } from '../ui/dialog.tsx';
import { FaultNote, Field } from '../ui/field.tsx';
import { useSubmit } from '../ui/use-submit.ts';
import { useWorkspace } from './context.ts';

const audiences = [
  [false, 'Its members', 'and nobody else'],
  [true, 'Everybody who signs in', 'reads it and makes a copy; members write'],
] as const;

/** What the project is called, what it is about and who may see it. */
export const SettingsDialog = ({ onClose }: { onClose: () => void }) => {
  const { client, id, project } = useWorkspace();
  const begun = useSignal(project.value).value;
  const isPublic = useSignal(begun?.isPublic ?? false);
  const { busy, fault, submit } = useSubmit(async (value) => {
    const name = value('name').trim();
    const description = value('description');
    if (name === '')
      throw new KilnApiError('validation_failed', {
        issues: [{ path: 'body.name', message: 'A project needs a name.' }],
      });
    // Only what was changed here: somebody else may have changed the rest meanwhile.
    const body: UpdateProject = {
      ...(name !== begun?.name && { name }),
      ...(description !== begun?.description && { description }),
      ...(isPublic.value !== begun?.isPublic && { isPublic: isPublic.value }),
    };
    if (Object.keys(body).length > 0)
      project.value = (await client.call('updateProject', { params: { id }, body })).project;
    onClose();
  });
  const wrongs = fault.value?.fields ?? {};
  return (
    <Dialog title="Project settings" onClose={onClose}>
      <form class="publish-form" noValidate onSubmit={submit}>
        <Field
          label="Name"
          name="name"
          fault={fault.value}
          defaultValue={begun?.name}
          maxLength={limits.project.nameMax}
          autocomplete="off"
        />
        <label class="field">
          <span class="field-label">Description</span>
          <textarea
            class="input settings-text"
            name="description"
            data-testid="description"
            rows={4}
            maxLength={limits.project.descriptionMax}
            aria-invalid={wrongs.description !== undefined}
            aria-describedby="description-note"
            defaultValue={begun?.description}
          />
          <span class={wrongs.description === undefined ? 'field-note' : 'field-note wrong'} id="description-note">
            {wrongs.description ?? ''}
          </span>
        </label>
        <fieldset class="publish-access">
          <legend class="field-label">Who can see the files</legend>
          {audiences.map(([value, name, note]) => (
            <label key={name} class="publish-choice">
              <input
                type="radio"
                name="audience"
                data-testid={value ? 'settings-public' : 'settings-private'}
                checked={isPublic.value === value}
                onChange={() => {
                  isPublic.value = value;
                }}
              />
              <span>
                {name} <span class="faint">{note}</span>
              </span>
            </label>
          ))}
        </fieldset>
        {Object.keys(wrongs).length === 0 && <FaultNote fault={fault.value} />}
        <footer class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class="button primary"
            data-testid="settings-save"
            disabled={busy.value}
            aria-busy={busy.value}
          >
            Save
          </button>
        </footer>
      </form>
    </Dialog>
  );
};
