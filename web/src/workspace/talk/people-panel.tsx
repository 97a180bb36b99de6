import type { Presence } from '../../../../src/contract/room.ts';
import { Avatar } from '../../ui/avatar.tsx';
import { useWorkspace } from '../context.ts';

const whereOf = ({ path, idle, cursor, nodes }: Presence): string => {
  if (path === null) return idle ? 'away' : 'looking around';
  const what = nodes.length > 0 ? ` · ${nodes.length === 1 ? 'a node' : `${nodes.length} nodes`} selected` : '';
  const selected = cursor?.selection === undefined ? '' : ' · selecting';
  return `${path}${what}${selected}${idle ? ' · away' : ''}`;
};

const PersonRow = ({ user, isSelf }: { user: Presence; isSelf: boolean }) => {
  const workspace = useWorkspace();
  const { talk } = workspace;
  const followed = talk.following.value === user.userId;
  return (
    <li
      class={user.idle ? 'presence idle' : 'presence'}
      data-testid={`presence-${user.username}`}
      data-idle={user.idle}
    >
      <Avatar person={user} size={30} />
      <span class="presence-text">
        <span>
          <strong style={{ '--person': user.color }}>{user.displayName}</strong>
          {isSelf && <span class="faint"> you</span>} <span class={`badge ${user.role}`}>{user.role}</span>
        </span>
        {user.path === null ? (
          <span class="faint">{whereOf(user)}</span>
        ) : (
          <button type="button" class="presence-where" onClick={() => user.path !== null && workspace.open(user.path)}>
            {whereOf(user)}
          </button>
        )}
      </span>
      {!isSelf && (
        <button
          type="button"
          class="button small"
          aria-pressed={followed}
          data-testid={`follow-${user.username}`}
          onClick={() => talk.follow(user.userId)}
        >
          {followed ? 'Following' : 'Follow'}
        </button>
      )}
    </li>
  );
};

export const PeoplePanel = () => {
  const { talk } = useWorkspace();
  const self = talk.self.value?.userId;
  return (
    <ul class="presences" data-testid="presences">
      {talk.users.value.map((user) => (
        <PersonRow key={user.userId} user={user} isSelf={user.userId === self} />
      ))}
    </ul>
  );
};
