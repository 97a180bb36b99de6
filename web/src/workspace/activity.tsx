import { useSignal } from '@preact/signals';
import { useCallback, useEffect } from 'preact/hooks';
import { limits } from '../../../src/contract/limits.ts';
import type { Activity } from '../../../src/contract/sharing.ts';
import type { Person } from '../../../src/contract/users.ts';
import { attempt, toastError } from '../state/toasts.ts';
import { Avatar } from '../ui/avatar.tsx';
import { formatAgo, hashOf } from '../ui/format.ts';
import { useWorkspace } from './context.ts';

const families = [
  ['', 'Everything'],
  ['member', 'Members'],
  ['invite', 'Invitations'],
  ['project', 'The project'],
  ['checkpoint', 'Checkpoints'],
  ['build', 'Builds'],
] as const;

const roleOf = ({ data }: Activity): string => (typeof data.role === 'string' ? data.role : 'member');

const updated = ({ data }: Activity): string => {
  if (typeof data.isPublic === 'boolean') return data.isPublic ? 'made the project public' : 'made the project private';
  const fields = Array.isArray(data.fields) ? data.fields.filter((field) => typeof field === 'string') : [];
  return `changed ${fields.length ? fields.join(', ') : 'the project'}`;
};

/** What happened, after the name of who did it. */
const sentences: Readonly<Record<string, (entry: Activity, whom: string) => string>> = {
  'project.created': () => 'created the project',
  'project.updated': updated,
  'project.trashed': () => 'moved the project to the trash',
  'project.restored': () => 'took the project out of the trash',
  'project.transferred': (_, whom) => `made ${whom} the owner`,
  'project.merged': () => 'merged another project into this one',
  'project.published': (entry) => `published the game at ${entry.data.slug}`,
  'project.unpublished': () => 'took the published game down',
  'checkpoint.created': () => 'kept a checkpoint',
  'checkpoint.updated': () => 'changed a checkpoint',
  'checkpoint.deleted': () => 'deleted a checkpoint',
  'checkpoint.restored': () => 'restored a checkpoint',
  'asset.reverted': () => 'brought back the assets of a checkpoint',
  'member.added': (entry, whom) => `added ${whom} as ${roleOf(entry)}`,
  'member.changed': (entry, whom) => `made ${whom} ${roleOf(entry)}`,
  'member.removed': ({ actor, person }, whom) =>
    actor !== null && actor.userId === person?.userId ? 'left' : `removed ${whom}`,
  'invite.created': (entry) =>
    entry.data.kind === 'addressed' ? `invited somebody as ${roleOf(entry)}` : `made a link for ${roleOf(entry)}s`,
  'invite.withdrawn': () => 'withdrew an invitation',
  'invite.accepted': (entry) => `joined by an invitation as ${roleOf(entry)}`,
  'build.created': () => 'started a build',
  'build.cancelled': () => 'cancelled a build',
  'build.retried': () => 'retried a build',
  'build.deleted': () => 'deleted a build',
};

const colorOf = (person: Person | null) =>
  person === null ? 'var(--faint)' : `hsl(${hashOf(person.userId) % 360} 45% 62%)`;

const Entry = ({ entry }: { entry: Activity }) => {
  const actor = entry.actor?.displayName ?? 'Kiln';
  const whom = entry.person?.displayName ?? 'somebody';
  const sentence = sentences[entry.action]?.(entry, whom) ?? entry.action.replace(/[._]/g, ' ');
  return (
    <li class="activity" data-testid={`activity-${entry.action}`}>
      <Avatar person={{ displayName: actor, color: colorOf(entry.actor) }} size={26} />
      <span class="activity-text">
        <strong>{actor}</strong> {sentence}
      </span>
      <time class="faint" dateTime={entry.at} title={new Date(entry.at).toLocaleString()}>
        {formatAgo(entry.at)}
      </time>
    </li>
  );
};

/** Who changed what of the project, newest first. */
export const ActivityPanel = () => {
  const { client, id, membersVersion } = useWorkspace();
  const entries = useSignal<readonly Activity[] | undefined>(undefined);
  const cursor = useSignal<string | null>(null);
  const family = useSignal('');
  const version = membersVersion.value;
  const action = family.value;

  const read = useCallback(
    (after?: string) =>
      client.call('listActivity', {
        params: { id },
        query: {
          limit: limits.workspace.page,
          ...(action !== '' && { action }),
          ...(after !== undefined && { cursor: after }),
        },
      }),
    [client, id, action],
  );
  useEffect(() => {
    read()
      .then((page) => {
        entries.value = page.activity;
        cursor.value = page.nextCursor;
      })
      .catch(toastError);
  }, [read, version, entries, cursor]);

  const more = (after: string) =>
    attempt(async () => {
      const page = await read(after);
      entries.value = [...(entries.value ?? []), ...page.activity];
      cursor.value = page.nextCursor;
    });

  const next = cursor.value;
  return (
    <>
      <select
        class="select activity-filter"
        aria-label="What to show"
        data-testid="activity-filter"
        value={action}
        onChange={(event) => {
          family.value = event.currentTarget.value;
        }}
      >
        {families.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      <ul class="activities" data-testid="activity">
        {entries.value?.map((entry) => (
          <Entry key={entry.id} entry={entry} />
        ))}
        {entries.value === undefined && <li class="member skeleton" />}
        {entries.value?.length === 0 && <li class="list-empty">Nothing of that kind happened yet.</li>}
      </ul>
      {next !== null && (
        <button type="button" class="button small more" onClick={() => void more(next)}>
          Show more
        </button>
      )}
    </>
  );
};
