import { Icon } from '../../ui/icon.tsx';
import { Segments } from '../../ui/segments.tsx';
import { useWorkspace } from '../context.ts';
import { ChatPanel } from './chat-panel.tsx';
import { CommentsPanel } from './comments-panel.tsx';
import { PeoplePanel } from './people-panel.tsx';

const titles = { people: 'People', chat: 'Chat', comments: 'Comments' } as const;
const panels = ['people', 'chat', 'comments'] as const;

/** People, chat and comments beside the editor. */
export const TalkAside = () => {
  const { talk } = useWorkspace();
  const panel = talk.panel.value;
  if (panel === undefined) return null;
  const counts = {
    people: talk.users.value.length,
    chat: talk.unread.value,
    comments: talk.openThreads.value.length,
  };
  return (
    <aside class="talk" aria-label={titles[panel]}>
      <div class="panel-head">
        <Segments
          label="Talk"
          names={panels}
          chosen={panel}
          onChoose={(name) => talk.show(name)}
          titleOf={(name) => (
            <>
              {titles[name]} {counts[name] > 0 && <span class="count">{counts[name]}</span>}
            </>
          )}
          testIds="talk"
        />
        <button type="button" class="icon-button" aria-label="Close" onClick={() => talk.show(undefined)}>
          <Icon name="close" size={13} />
        </button>
      </div>
      {panel === 'people' && <PeoplePanel />}
      {panel === 'chat' && <ChatPanel />}
      {panel === 'comments' && <CommentsPanel />}
    </aside>
  );
};

/** Opens the panel; says what is new in it. */
export const TalkButtons = () => {
  const { talk } = useWorkspace();
  const unread = talk.unread.value;
  const open = talk.openThreads.value.length;
  const toggle = (name: 'chat' | 'comments') => () => talk.show(talk.panel.value === name ? undefined : name);
  return (
    <>
      <button
        type="button"
        class="icon-button counted"
        aria-label={unread > 0 ? `Chat, ${unread} new` : 'Chat'}
        title="Chat"
        aria-pressed={talk.panel.value === 'chat'}
        data-testid="open-chat"
        onClick={toggle('chat')}
      >
        <Icon name="chat" />
        {unread > 0 && <span class="count hot">{unread}</span>}
      </button>
      <button
        type="button"
        class="icon-button counted"
        aria-label={`Comments, ${open} open`}
        title="Comments"
        aria-pressed={talk.panel.value === 'comments'}
        data-testid="open-comments"
        onClick={toggle('comments')}
      >
        <Icon name="comment" />
        {open > 0 && <span class="count">{open}</span>}
      </button>
    </>
  );
};

/** Says over the editor whom this person follows. */
export const Following = () => {
  const { talk } = useWorkspace();
  const user = talk.followed.value;
  if (user === undefined) return null;
  return (
    <div class="following" style={{ '--person': user.color }} role="status" data-testid="following">
      Following <strong>{user.displayName}</strong>
      <button type="button" class="link" onClick={() => talk.follow(undefined)}>
        Stop
      </button>
    </div>
  );
};
