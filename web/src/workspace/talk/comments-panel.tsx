import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Comment, Reply } from '../../../../src/contract/comments.ts';
import { limits } from '../../../../src/contract/limits.ts';
import { Avatar } from '../../ui/avatar.tsx';
import { formatAgo, plural } from '../../ui/format.ts';
import { Icon } from '../../ui/icon.tsx';
import { useWorkspace } from '../context.ts';
import { Composer, Words } from './composer.tsx';
import { colorOfAuthor } from './people.ts';

const Remark = ({ remark }: { remark: Reply }) => {
  const { talk, canManage } = useWorkspace();
  const color = colorOfAuthor(remark.author, talk.users.value);
  const isMine = remark.author.userId === talk.self.value?.userId;
  return (
    <div class="remark">
      <Avatar person={{ displayName: remark.author.displayName, color }} size={22} />
      <div>
        <div class="said-head">
          <strong style={{ '--person': color }}>{remark.author.displayName}</strong>
          <time class="faint" dateTime={remark.createdAt} title={new Date(remark.createdAt).toLocaleString()}>
            {formatAgo(remark.createdAt)}
            {remark.editedAt !== null && ' · edited'}
          </time>
          {(isMine || canManage.value) && (
            <button
              type="button"
              class="icon-button remark-delete"
              aria-label="Delete"
              title="Delete"
              onClick={() => void talk.remove(remark.id)}
            >
              <Icon name="trash" size={12} />
            </button>
          )}
        </div>
        <Words text={remark.body} />
      </div>
    </div>
  );
};

const goneOf = (anchor: Comment['anchor']): string => {
  if (anchor?.kind === 'asset') return 'asset is gone';
  return anchor?.kind === 'region' ? 'picture is gone' : 'text is gone';
};

const Thread = ({ thread }: { thread: Comment }) => {
  const workspace = useWorkspace();
  const { talk } = workspace;
  const element = useRef<HTMLLIElement>(null);
  const opened = talk.thread.value === thread.id;
  const resolved = thread.resolvedAt !== null;
  const { anchor } = thread;
  // What an asset was called is worth saying once it is called something else.
  const quote = anchor?.kind === 'asset' && thread.path.endsWith(`/${thread.quote}`) ? null : thread.quote;
  const regional = anchor?.kind === 'region' || anchor?.kind === 'asset';
  const partial = regional && (anchor.width < 1 || anchor.height < 1);
  useEffect(() => {
    if (opened) element.current?.scrollIntoView({ block: 'nearest' });
  }, [opened]);
  return (
    <li
      ref={element}
      class={`thread${opened ? ' opened' : ''}${resolved ? ' resolved' : ''}`}
      data-testid={`thread-${thread.id}`}
    >
      <div class="thread-head">
        <button
          type="button"
          class="thread-place"
          title={thread.path}
          onClick={() => {
            talk.thread.value = thread.id;
            if (anchor?.kind === 'asset') void workspace.showAsset(anchor.asset);
            else workspace.open(thread.path);
          }}
        >
          {thread.path.split('/').at(-1)}
        </button>
        {thread.orphaned && <span class="tag">{goneOf(anchor)}</span>}
        {partial && !thread.orphaned && <span class="tag">part of it</span>}
        {workspace.canTalk.value && (
          <button
            type="button"
            class="button small"
            data-testid="resolve"
            onClick={() => void talk.resolve(thread.id, !resolved)}
          >
            {resolved ? 'Reopen' : 'Resolve'}
          </button>
        )}
      </div>
      {quote !== null && quote !== '' && <blockquote class="quote">{quote}</blockquote>}
      <Remark remark={thread} />
      {thread.replies.map((reply) => (
        <Remark key={reply.id} remark={reply} />
      ))}
      {opened && workspace.canTalk.value ? (
        <Composer
          label="Reply"
          placeholder="Reply"
          testid="reply-input"
          max={limits.comment.bodyMax}
          onSend={(body) => talk.reply(thread.id, body)}
        />
      ) : (
        <button
          type="button"
          class="link thread-reply"
          data-testid="open-thread"
          onClick={() => {
            talk.thread.value = thread.id;
          }}
        >
          {thread.replies.length === 0 ? 'Reply' : plural(thread.replies.length, 'reply', 'replies')}
        </button>
      )}
    </li>
  );
};

export const CommentsPanel = () => {
  const { talk, activePath, front, assets } = useWorkspace();
  const all = useSignal(false);
  const here = useSignal(false);
  const asset = front.value === 'asset' ? assets.looked.value : undefined;
  const path = asset === undefined ? activePath.value : undefined;
  const isHere = ({ path: at, anchor }: Comment): boolean =>
    asset === undefined
      ? at === path && anchor?.kind !== 'asset'
      : anchor?.kind === 'asset' && anchor.asset === asset.id;
  const draft = talk.draft.value;
  const threads = (all.value ? talk.threads.value : talk.openThreads.value).filter(
    (thread) => !here.value || isHere(thread),
  );
  return (
    <>
      <div class="comment-filters">
        <button
          type="button"
          class="button small"
          aria-pressed={here.value}
          onClick={() => {
            here.value = !here.value;
          }}
        >
          {asset === undefined ? 'This file' : 'This asset'}
        </button>
        <button
          type="button"
          class="button small"
          aria-pressed={all.value}
          data-testid="show-resolved"
          onClick={() => {
            all.value = !all.value;
          }}
        >
          Resolved
        </button>
        {path !== undefined && draft === undefined && (
          <button
            type="button"
            class="button small"
            data-testid="comment-file"
            onClick={() => talk.begin({ path, anchor: undefined, quote: '' })}
          >
            <Icon name="plus" size={12} /> On this file
          </button>
        )}
        {asset !== undefined && asset.deletedAt === null && draft === undefined && (
          <button
            type="button"
            class="button small"
            data-testid="comment-asset"
            onClick={() =>
              talk.begin({
                path: undefined,
                anchor: { kind: 'asset', asset: asset.id, x: 0, y: 0, width: 1, height: 1 },
                quote: asset.name,
              })
            }
          >
            <Icon name="plus" size={12} /> On this asset
          </button>
        )}
      </div>
      {draft !== undefined && (
        <div class="thread opened" data-testid="draft">
          <div class="thread-head">
            <span class="thread-place">{draft.path === undefined ? 'Asset' : draft.path.split('/').at(-1)}</span>
            <button
              type="button"
              class="icon-button"
              aria-label="Do not comment"
              onClick={() => {
                talk.draft.value = undefined;
              }}
            >
              <Icon name="close" size={12} />
            </button>
          </div>
          {draft.quote !== '' && <blockquote class="quote">{draft.quote}</blockquote>}
          <Composer
            label="Comment"
            placeholder="Comment, with @ for people"
            testid="comment-input"
            max={limits.comment.bodyMax}
            focused
            onSend={(body) => talk.comment(body)}
          />
        </div>
      )}
      <ul class="threads" data-testid="threads">
        {threads.map((thread) => (
          <Thread key={thread.id} thread={thread} />
        ))}
        {threads.length === 0 && draft === undefined && (
          <li class="list-empty">Select something in a file to comment on it.</li>
        )}
      </ul>
    </>
  );
};
