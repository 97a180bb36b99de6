import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Build } from '../../../src/contract/builds.ts';
import { limits } from '../../../src/contract/limits.ts';
import type { Publication, PublicationAccess } from '../../../src/contract/publications.ts';
import { attempt, describeError, toast } from '../state/toasts.ts';
import { confirm } from '../ui/confirm.tsx';
import { CopyLine } from '../ui/copy-line.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { formatAgo } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { useWorkspace } from './context.ts';

/** The host below which every game has its own, as the address of any build shows it. */
const contentHostOf = (build: Build): string => {
  const { host } = new URL(build.playUrl ?? location.href);
  return host.slice(host.indexOf('.') + 1);
};

/** What the platform would choose, roughly: it has the last word. */
const suggestion = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '') || 'game';

const day = 86_400;
const lifetimes = [
  { seconds: day, text: 'for a day' },
  { seconds: 7 * day, text: 'for a week' },
  { seconds: 30 * day, text: 'for 30 days' },
  { seconds: 90 * day, text: 'for 90 days' },
] as const;

/** Signed links, where the game is not for everybody. */
const Links = () => {
  const { publishing } = useWorkspace();
  const seconds = useSignal<number>(7 * day);
  const made = useSignal<{ url: string; expiresAt: string } | undefined>(undefined);
  const make = () =>
    attempt(async () => {
      made.value = await publishing.link(seconds.value);
    });
  return (
    <div class="publish-links">
      {made.value !== undefined && (
        <>
          <CopyLine key={made.value.url} label="Link to the game" value={made.value.url} testId="play-link" />
          <p class="field-note">
            Opens the game until it ends <time dateTime={made.value.expiresAt}>{formatAgo(made.value.expiresAt)}</time>.
            It is shown this once.
          </p>
        </>
      )}
      <div class="publish-link-form">
        <select
          class="select"
          aria-label="How long the link is good"
          value={seconds.value}
          onChange={(event) => {
            seconds.value = Number(event.currentTarget.value);
          }}
        >
          {lifetimes.map((one) => (
            <option key={one.seconds} value={one.seconds}>
              {one.text}
            </option>
          ))}
        </select>
        <button type="button" class="button" data-testid="play-link-create" onClick={() => void make()}>
          <Icon name="link" /> {made.value === undefined ? 'Make a link' : 'Another link'}
        </button>
      </div>
    </div>
  );
};

/** What players have now, and how to get there. */
const Live = ({ live, published }: { live: Publication; published: number }) => {
  const element = useRef<HTMLElement>(null);
  // The button that did it has nothing left to do: what comes next is to send the address to somebody.
  useEffect(() => {
    if (published > 0) element.current?.querySelector<HTMLElement>('button')?.focus();
  }, [published]);
  return (
    <section ref={element} class="publish-live" data-testid="publish-live">
      <p>
        <span class="status-dot success" /> Published{' '}
        <span class="muted">
          {live.access === 'public' ? 'for everybody' : 'for whoever has a link'}, since{' '}
          <time dateTime={live.updatedAt}>{formatAgo(live.updatedAt)}</time>
        </span>
        <a class="link" href={live.url} target="_blank" rel="noopener noreferrer" data-testid="publish-open">
          Open <Icon name="external" size={13} />
        </a>
      </p>
      {live.access === 'link' ? (
        <Links />
      ) : (
        <CopyLine label="Address of the game" value={live.url} testId="publish-url" />
      )}
    </section>
  );
};

/** Shows a build to the world, says what is shown, and ends that. */
export const PublishDialog = ({ build }: { build: Build }) => {
  const workspace = useWorkspace();
  const { publishing } = workspace;
  const live = publishing.live.value ?? undefined;
  const slug = useSignal(live?.slug ?? '');
  const access = useSignal<PublicationAccess>(live?.access ?? 'public');
  const isolated = useSignal(live?.crossOriginIsolated ?? false);
  const busy = useSignal(false);
  const fault = useSignal<string | undefined>(undefined);
  /** How often it was published from here. */
  const published = useSignal(0);
  const host = contentHostOf(build);
  const close = () => {
    publishing.asked.value = undefined;
  };

  const same =
    live !== undefined &&
    live.buildId === build.id &&
    (slug.value === '' || slug.value === live.slug) &&
    access.value === live.access &&
    isolated.value === live.crossOriginIsolated;

  const publish = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy.value || same) return;
    busy.value = true;
    fault.value = undefined;
    try {
      const { slug: given } = await publishing.publish(build, {
        ...(slug.value !== '' && { slug: slug.value }),
        access: access.value,
        crossOriginIsolated: isolated.value,
      });
      slug.value = given;
      published.value += 1;
    } catch (error) {
      const { title, detail } = describeError(error);
      fault.value = detail?.replace(/^slug: /, '') ?? title;
    } finally {
      busy.value = false;
    }
  };

  const unpublish = async () => {
    const yes = await confirm({
      title: 'Take the game down?',
      text: `Players get nothing at ${slug.value}.${host} any more. The address stays yours.`,
      action: 'Unpublish',
    });
    if (!yes) return;
    await attempt(async () => {
      await publishing.unpublish();
      toast({ kind: 'success', title: 'The game is not published any more' });
      close();
    });
  };

  return (
    <Dialog
      title="Publish"
      lead={`The build of ${new Date(build.createdAt).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })}`}
      onClose={close}
    >
      {live !== undefined && <Live live={live} published={published.value} />}
      <form class="publish-form" onSubmit={(event) => void publish(event)}>
        <label class="field">
          <span class="field-label">Address</span>
          <span class="slug-field">
            <input
              class="input"
              data-testid="publish-slug"
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              maxLength={limits.publication.slugMax}
              placeholder={suggestion(workspace.project.value?.name ?? '')}
              aria-invalid={fault.value !== undefined}
              aria-describedby="publish-slug-note"
              value={slug.value}
              onInput={(event) => {
                slug.value = event.currentTarget.value.toLowerCase();
                fault.value = undefined;
              }}
            />
            <span class="slug-host">.{host}</span>
          </span>
          <span
            class={fault.value === undefined ? 'field-note' : 'field-note wrong'}
            id="publish-slug-note"
            role={fault.value === undefined ? undefined : 'alert'}
          >
            {fault.value ?? 'Letters, digits and hyphens. It stays this project’s, also once it is taken down.'}
          </span>
        </label>
        <fieldset class="publish-access">
          <legend class="field-label">Who can play</legend>
          {(
            [
              ['public', 'Everybody', 'also where the project is private'],
              ['link', 'Whoever has a link', 'that you make, and that ends'],
            ] as const
          ).map(([value, name, note]) => (
            <label key={value} class="publish-choice">
              <input
                type="radio"
                name="access"
                data-testid={`publish-${value}`}
                checked={access.value === value}
                onChange={() => {
                  access.value = value;
                }}
              />
              <span>
                {name} <span class="faint">{note}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <label class="publish-choice">
          <input
            type="checkbox"
            data-testid="publish-isolated"
            checked={isolated.value}
            onChange={(event) => {
              isolated.value = event.currentTarget.checked;
            }}
          />
          <span>
            Isolate the page <span class="faint">for threads and shared memory</span>
          </span>
        </label>
        <footer class="dialog-actions">
          {live !== undefined && (
            <button type="button" class="button unpublish" data-testid="unpublish" onClick={() => void unpublish()}>
              Unpublish
            </button>
          )}
          <button type="button" class="button" onClick={close}>
            Close
          </button>
          <button type="submit" class="button primary" data-testid="publish-now" disabled={busy.value || same}>
            {live === undefined ? 'Publish' : same ? 'This is published' : 'Publish this'}
          </button>
        </footer>
      </form>
    </Dialog>
  );
};
