import { useComputed, useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { Icon } from '../../ui/icon.tsx';
import { useWorkspace } from '../context.ts';
import { mention } from './talk.ts';

interface ComposerProps {
  label: string;
  placeholder: string;
  testid: string;
  max: number;
  focused?: boolean;
  onType?: () => void;
  /** False keeps what was written. */
  onSend: (body: string) => Promise<boolean>;
}

const mentionAtEnd = /(?:^|\s)@([\w.-]*)$/;

/** A text box that sends on Enter and helps with names. */
export const Composer = ({ label, placeholder, testid, max, focused = false, onType, onSend }: ComposerProps) => {
  const { talk } = useWorkspace();
  const body = useSignal('');
  const sending = useSignal(false);
  const input = useRef<HTMLTextAreaElement>(null);
  const named = useComputed(() => {
    const begun = mentionAtEnd.exec(body.value)?.[1]?.toLowerCase();
    if (begun === undefined) return [];
    return talk.people.value
      .filter(({ userId, username, displayName }) => {
        if (userId === talk.self.value?.userId || username.toLowerCase() === begun) return false;
        return username.toLowerCase().includes(begun) || displayName.toLowerCase().includes(begun);
      })
      .slice(0, 5);
  });

  const send = async () => {
    const text = body.value.trim();
    if (text === '' || sending.value) return;
    sending.value = true;
    if (await onSend(text)) body.value = '';
    sending.value = false;
    input.current?.focus();
  };
  const take = (username: string) => {
    body.value = body.value.replace(/@[\w.-]*$/, `@${username} `);
    input.current?.focus();
  };

  return (
    <div class="composer">
      {named.value.length > 0 && (
        <ul class="mentions" aria-label="People to mention">
          {named.value.map(({ userId, username, displayName, isAway }) => (
            <li key={userId}>
              <button type="button" data-testid={`mention-${username}`} onClick={() => take(username)}>
                <span class="mention-name">
                  {displayName} <span class="faint">@{username}</span>
                </span>
                {isAway && <span class="faint">away</span>}
              </button>
            </li>
          ))}
        </ul>
      )}
      <textarea
        ref={input}
        class="input"
        rows={2}
        aria-label={label}
        placeholder={placeholder}
        data-testid={testid}
        maxLength={max}
        value={body.value}
        // biome-ignore lint/a11y/noAutofocus: the box appears because somebody asked to write
        autoFocus={focused}
        onInput={(event) => {
          body.value = event.currentTarget.value;
          onType?.();
        }}
        onKeyDown={(event) => {
          event.stopPropagation();
          const [first] = named.value;
          if (event.key === 'Tab' && first !== undefined) {
            event.preventDefault();
            take(first.username);
          } else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            void send();
          }
        }}
      />
      <button
        type="button"
        class="icon-button"
        aria-label="Send"
        title="Send (Enter)"
        disabled={sending.value || body.value.trim() === ''}
        onClick={() => void send()}
      >
        <Icon name="send" />
      </button>
    </div>
  );
};

/** What somebody wrote, with the names in it set off. */
export const Words = ({ text }: { text: string }) => (
  <p class="words">
    {text.split(new RegExp(`(${mention.source})`)).map((part, index) =>
      part.startsWith('@') ? (
        <strong key={index} class="mention">
          {part}
        </strong>
      ) : (
        part
      ),
    )}
  </p>
);
