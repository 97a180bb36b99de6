import { useSignal } from '@preact/signals';
import { useCallback, useEffect } from 'preact/hooks';
import type { Collaborator } from '../../../src/contract/projects.ts';
import { navigate } from '../router.ts';
import { session } from '../state/session.ts';
import { attempt, reasonOf, toast, toastError } from '../state/toasts.ts';
import { Avatar } from '../ui/avatar.tsx';
import { confirm } from '../ui/confirm.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { hashOf } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Segments } from '../ui/segments.tsx';
import { ActivityPanel } from './activity.tsx';
import { useWorkspace } from './context.ts';
import { Invites } from './invites.tsx';
import { type MemberRole, RoleSelect } from './role-select.tsx';

const People = () => {
  const workspace = useWorkspace();
  const { client, id } = workspace;
  const members = useSignal<readonly Collaborator[] | undefined>(undefined);
  const who = useSignal('');
  const role = useSignal<MemberRole>('editor');
  const busy = useSignal(false);
  const fault = useSignal<string | undefined>(undefined);
  const canManage = workspace.canManage.value;
  const me = session.value.state === 'signed-in' ? session.value.user.id : undefined;
  const version = workspace.membersVersion.value;

  const load = useCallback(async () => {
    members.value = (await client.call('listCollaborators', { params: { id } })).collaborators;
  }, [client, id, members]);
  useEffect(() => {
    load().catch(toastError);
  }, [load, version]);

  const add = async (event: SubmitEvent) => {
    event.preventDefault();
    const name = who.value.trim().replace(/^@/, '');
    if (name === '' || busy.value) return;
    busy.value = true;
    fault.value = undefined;
    try {
      const person = name.includes('@') ? { email: name } : { username: name };
      const { collaborator } = await client.call('addCollaborator', {
        params: { id },
        body: { ...person, role: role.value },
      });
      toast({
        kind: 'success',
        title: `${collaborator.displayName} can now ${role.value === 'editor' ? 'edit' : 'read'} this project`,
      });
      who.value = '';
      await load();
    } catch (error) {
      fault.value = reasonOf(error);
    } finally {
      busy.value = false;
    }
  };

  const change = (member: Collaborator, next: MemberRole) =>
    attempt(async () => {
      await client.call('updateCollaborator', {
        params: { id, userId: member.userId },
        body: { role: next },
      });
      await load();
    }).then(() => load().catch(() => undefined));

  const transfer = async (member: Collaborator) => {
    const yes = await confirm({
      title: `Make ${member.displayName} the owner?`,
      text: 'You become an editor, and open invitations end. Only they can give the project back.',
      action: 'Transfer the project',
    });
    if (!yes) return;
    await attempt(async () => {
      await client.call('transferProject', { params: { id }, body: { userId: member.userId } });
      await load();
    });
  };

  const remove = async (member: Collaborator) => {
    const leaving = member.userId === me;
    const yes = await confirm(
      leaving
        ? {
            title: 'Leave this project?',
            text: 'You can come back when the owner adds or invites you again.',
            action: 'Leave',
          }
        : { title: `Remove ${member.displayName}?`, text: 'They lose access at once.', action: 'Remove' },
    );
    if (!yes) return;
    await attempt(async () => {
      await client.call('removeCollaborator', { params: { id, userId: member.userId } });
      if (!leaving) return load();
      toast({ kind: 'success', title: 'You left the project', detail: workspace.project.value?.name });
      navigate('/');
    });
  };

  /** People in the room have a colour there; the others get one from the same warm range. */
  const colorOf = (member: Collaborator) =>
    workspace.users.value.find((user) => user.userId === member.userId)?.color ??
    `hsl(${hashOf(member.userId) % 360} 45% 62%)`;

  return (
    <>
      {canManage && (
        <form class="share-add" onSubmit={(event) => void add(event)}>
          <input
            class="input"
            data-testid="share-who"
            placeholder="Email or user name"
            aria-label="Email or user name"
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            value={who.value}
            onInput={(event) => {
              who.value = event.currentTarget.value;
              fault.value = undefined;
            }}
          />
          <RoleSelect
            value={role.value}
            label="Role"
            onChange={(next) => {
              role.value = next;
            }}
          />
          <button
            type="submit"
            class="button primary"
            data-testid="share-add"
            disabled={busy.value || who.value.trim() === ''}
          >
            Add
          </button>
          {fault.value !== undefined && (
            <p class="field-note wrong" role="alert">
              {fault.value}
            </p>
          )}
        </form>
      )}
      <ul class="members">
        {members.value?.map((member) => (
          <li key={member.userId} class="member" data-testid={`member-${member.username}`}>
            <Avatar person={{ displayName: member.displayName, color: colorOf(member) }} size={34} />
            <span class="member-name">
              <strong>
                {member.displayName}
                {member.userId === me && <span class="faint"> (you)</span>}
              </strong>
              <span class="muted">@{member.username}</span>
            </span>
            {member.role === 'owner' || !canManage ? (
              <span class={`badge ${member.role}`}>{member.role}</span>
            ) : (
              <RoleSelect
                value={member.role}
                label={`Role of ${member.displayName}`}
                testId={`role-${member.username}`}
                onChange={(next) => void change(member, next)}
                onOwner={() => void transfer(member)}
              />
            )}
            {canManage && member.role !== 'owner' ? (
              <button
                type="button"
                class="icon-button"
                aria-label={`Remove ${member.displayName}`}
                data-testid={`remove-${member.username}`}
                onClick={() => void remove(member)}
              >
                <Icon name="close" size={14} />
              </button>
            ) : member.role !== 'owner' && member.userId === me ? (
              <button type="button" class="button small" data-testid="leave" onClick={() => void remove(member)}>
                <Icon name="exit" size={13} /> Leave
              </button>
            ) : (
              <span class="icon-gap" />
            )}
          </li>
        ))}
        {members.value === undefined && <li class="member skeleton" />}
      </ul>
      {canManage && (members.value?.length ?? 0) > 1 && (
        <p class="share-note">To leave, make somebody else the owner first.</p>
      )}
    </>
  );
};

const views = { people: 'People', invites: 'Invitations', activity: 'Activity' } as const;
type View = keyof typeof views;

/** Who may work on the project, how others get in, and who changed what. */
export const ShareDialog = ({ onClose }: { onClose: () => void }) => {
  const workspace = useWorkspace();
  const chosen = useSignal<View>('people');
  // Invitations are the owner's, who may have stopped being it.
  const shown = (Object.keys(views) as View[]).filter((view) => view !== 'invites' || workspace.canManage.value);
  const view = shown.includes(chosen.value) ? chosen.value : 'people';
  return (
    <Dialog title="Share" lead={workspace.project.value?.name ?? ''} onClose={onClose}>
      <Segments
        class="share-views"
        label="Share"
        names={shown}
        chosen={view}
        onChoose={(name) => {
          chosen.value = name;
        }}
        titleOf={(name) => views[name]}
        testIds="share"
      />
      {view === 'people' && <People />}
      {view === 'invites' && <Invites />}
      {view === 'activity' && <ActivityPanel />}
    </Dialog>
  );
};
