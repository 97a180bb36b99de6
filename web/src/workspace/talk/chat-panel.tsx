import { useEffect, useRef } from 'preact/hooks';
import type { ChatMessage } from '../../../../src/contract/chat.ts';
import { limits } from '../../../../src/contract/limits.ts';
import { Avatar } from '../../ui/avatar.tsx';
import { formatAgo } from '../../ui/format.ts';
import { useWorkspace } from '../context.ts';
import { Composer, Words } from './composer.tsx';
import { colorOfAuthor } from './people.ts';

const continues = (message: ChatMessage, before: ChatMessage | undefined): boolean =>
  before !== undefined &&
  before.author.userId === message.author.userId &&
  Date.parse(message.createdAt) - Date.parse(before.createdAt) < limits.workspace.togetherFor;

const Message = ({ message, before }: { message: ChatMessage; before: ChatMessage | undefined }) => {
  const { talk } = useWorkspace();
  const color = colorOfAuthor(message.author, talk.users.value);
  const mine = talk.self.value?.userId;
  const isForMe = message.mentions.some(({ userId }) => userId === mine);
  const follows = continues(message, before);
  return (
    <li class={`said${follows ? ' follows' : ''}${isForMe ? ' for-me' : ''}`} data-testid="chat-message">
      {!follows && <Avatar person={{ displayName: message.author.displayName, color }} size={26} />}
      <div>
        {!follows && (
          <div class="said-head">
            <strong style={{ '--person': color }}>{message.author.displayName}</strong>
            <time class="faint" dateTime={message.createdAt} title={new Date(message.createdAt).toLocaleString()}>
              {formatAgo(message.createdAt)}
            </time>
          </div>
        )}
        <Words text={message.body} />
      </div>
    </li>
  );
};

const writingText = (names: readonly string[]): string => {
  if (names.length === 0) return '';
  if (names.length > 2) return 'Several people are writing…';
  return `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} writing…`;
};

export const ChatPanel = () => {
  const { talk, canTalk } = useWorkspace();
  const list = useRef<HTMLOListElement>(null);
  const atEnd = useRef(true);
  const messages = talk.messages.value;
  useEffect(() => {
    const element = list.current;
    if (element !== null && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [messages]);
  return (
    <>
      <ol
        ref={list}
        class="chat"
        data-testid="chat"
        aria-label="Chat"
        aria-live="polite"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
        tabIndex={0}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
        }}
      >
        {talk.hasMore.value && (
          <li>
            <button type="button" class="button small more" onClick={() => void talk.older()}>
              Show older
            </button>
          </li>
        )}
        {messages.map((message, index) => (
          <Message key={message.id} message={message} before={messages[index - 1]} />
        ))}
        {messages.length === 0 && <li class="list-empty">Nobody has said anything yet.</li>}
      </ol>
      <p class="writing" data-testid="writing" role="status">
        {writingText(talk.writing.value)}
      </p>
      {canTalk.value && (
        <Composer
          label="Message"
          placeholder="Say something to everybody here"
          testid="chat-input"
          max={limits.talk.chatMax}
          onType={() => talk.typing()}
          onSend={(body) => talk.say(body)}
        />
      )}
    </>
  );
};
