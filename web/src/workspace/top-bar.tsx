import type { Signal } from '@preact/signals';
import { linkTo } from '../router.ts';
import { AccountMenu } from '../ui/account.tsx';
import { Avatar } from '../ui/avatar.tsx';
import { DownloadButton } from '../ui/download.tsx';
import { Icon } from '../ui/icon.tsx';
import { Mark } from '../ui/mark.tsx';
import { useWorkspace } from './context.ts';
import type { Indicator } from './model.ts';
import { ProjectMenu } from './project-menu.tsx';
import { TalkButtons } from './talk/panel.tsx';

const indicators: Record<Indicator, { text: string; title: string }> = {
  connecting: { text: 'Connecting…', title: 'Getting the newest state' },
  saved: { text: 'Saved', title: 'Everything you typed is stored' },
  saving: { text: 'Saving…', title: 'Waiting for the room to store your last edits' },
  unsaved: { text: 'Not saved', title: 'What you wrote in a file is not in the project: its tab says why' },
  offline: { text: 'Offline', title: 'Edits are kept on this device and merge when the connection is back' },
  unkept: {
    text: 'Offline, not kept',
    title: 'This browser cannot keep your edits: leave the page open until the connection is back, or copy them',
  },
  'read-only': { text: 'Read only', title: 'Your role lets you read this project' },
};

const SaveIndicator = () => {
  const state = useWorkspace().indicator.value;
  const { text, title } = indicators[state];
  return (
    <span class={`save-state ${state}`} data-testid="save-state" data-state={state} role="status" title={title}>
      {state === 'offline' || state === 'unkept' ? (
        <Icon name="offline" size={14} />
      ) : state === 'read-only' ? (
        <Icon name="eye" size={14} />
      ) : (
        <span class="save-dot" />
      )}
      {text}
    </span>
  );
};

const shownPeople = 5;

/** Who is here, for a glance; a click tells where, and lets one follow. */
const People = () => {
  const { talk } = useWorkspace();
  const others = talk.others.value;
  const hidden = others.length - shownPeople;
  return (
    <ul class="people" data-testid="people" aria-label="People in this project">
      {others.slice(0, shownPeople).map((user) => {
        const where = user.path === null ? '' : ` in ${user.path}`;
        const title = `${user.displayName} (${user.role})${where}${user.idle ? ', away' : ''}`;
        const followed = talk.following.value === user.userId;
        return (
          <li key={user.userId} data-testid={`person-${user.username}`}>
            <button
              type="button"
              class={`person${user.idle ? ' idle' : ''}${followed ? ' followed' : ''}`}
              style={{ '--person': user.color }}
              aria-label={title}
              title={title}
              onClick={() => talk.show(talk.panel.value === 'people' ? undefined : 'people')}
            >
              <Avatar person={user} size={28} />
            </button>
          </li>
        );
      })}
      {hidden > 0 && (
        <li>
          <button type="button" class="people-more link" onClick={() => talk.show('people')}>
            +{hidden}
          </button>
        </li>
      )}
    </ul>
  );
};

interface TopBarProps {
  filesOpen: Signal<boolean>;
  dockOpen: Signal<boolean>;
  onShare: () => void;
}

export const TopBar = ({ filesOpen, dockOpen, onShare }: TopBarProps) => {
  const workspace = useWorkspace();
  const { builds } = workspace;
  const project = workspace.project.value;
  const busy = builds.busy.value;
  const progress = builds.current.value?.progress ?? 0;
  return (
    <header class="top-bar">
      <a class="home" title="All projects" {...linkTo('/')}>
        <Mark size={26} />
        <span class="visually-hidden">All projects</span>
      </a>
      <button
        type="button"
        class="icon-button"
        aria-label="File list"
        aria-pressed={filesOpen.value}
        data-testid="toggle-files"
        onClick={() => {
          filesOpen.value = !filesOpen.value;
        }}
      >
        <Icon name="sidebar" />
      </button>
      <h1 class="project-title" title={project?.name}>
        {project?.name}
      </h1>
      <ProjectMenu />
      <SaveIndicator />
      <div class="top-space" />
      <People />
      {project?.role !== 'public' && workspace.ended.value === undefined && <TalkButtons />}
      {project !== undefined && workspace.ended.value === undefined && (
        <DownloadButton project={project} class="icon-button wide-enough" />
      )}
      {project?.role !== 'public' && workspace.ended.value === undefined && (
        <button type="button" class="button" data-testid="share" onClick={onShare}>
          <Icon name="share" /> <span class="wide-only">Share</span>
        </button>
      )}
      <button
        type="button"
        class="button primary build-button"
        data-testid="build"
        title="Build and play (Ctrl+Enter)"
        disabled={busy || !workspace.canBuild.value}
        aria-busy={busy}
        onClick={() => void builds.start()}
      >
        {busy && <span class="build-fill" style={{ transform: `scaleX(${progress})` }} />}
        <Icon name="flame" fill /> <span>{busy ? 'Building…' : 'Build'}</span>
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label="Play and build panel"
        aria-pressed={dockOpen.value}
        data-testid="toggle-dock"
        onClick={() => {
          dockOpen.value = !dockOpen.value;
        }}
      >
        <Icon name="panel" />
      </button>
      <AccountMenu />
    </header>
  );
};
