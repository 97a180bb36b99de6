import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Comment, NewAnchor } from '../../../src/contract/comments.ts';
import { Icon } from '../ui/icon.tsx';
import { useWorkspace } from './context.ts';
import { colorOfAuthor } from './talk/people.ts';
import type { Draft } from './talk/talk.ts';

/** A part of a picture, in shares of its width and height. */
interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

type Point = Pick<Region, 'x' | 'y'>;

/** Shares of less than this are a click and no region. */
const smallest = 0.01;
/** One press of an arrow key. */
const step = 0.02;

const clamp = (value: number, from: number, to: number): number => Math.min(Math.max(value, from), to);
/** Four digits are less than a pixel of the largest picture, and no rounding error leads out of it. */
const round = (value: number): number => Math.floor(value * 10_000) / 10_000;

const between = (a: Point, b: Point): Region => ({
  x: round(Math.min(a.x, b.x)),
  y: round(Math.min(a.y, b.y)),
  width: round(Math.abs(a.x - b.x)),
  height: round(Math.abs(a.y - b.y)),
});

const placed = ({ x, y, width, height }: Region) => ({
  left: `${x * 100}%`,
  top: `${y * 100}%`,
  width: `${width * 100}%`,
  height: `${height * 100}%`,
});

/** A region after an arrow key: moved, or with Shift made larger or smaller; undefined for other keys. */
const afterKey = (region: Region, { key, shiftKey }: KeyboardEvent): Region | undefined => {
  const right = key === 'ArrowRight' ? step : key === 'ArrowLeft' ? -step : 0;
  const down = key === 'ArrowDown' ? step : key === 'ArrowUp' ? -step : 0;
  if (right === 0 && down === 0) return undefined;
  const { x, y, width, height } = region;
  const changed = shiftKey
    ? { x, y, width: clamp(width + right, step, 1 - x), height: clamp(height + down, step, 1 - y) }
    : { x: clamp(x + right, 0, 1 - width), y: clamp(y + down, 0, 1 - height), width, height };
  return { x: round(changed.x), y: round(changed.y), width: round(changed.width), height: round(changed.height) };
};

/** The picture of a file, or an uploaded one. */
export type Pictured = { readonly path: string } | { readonly asset: string };

/** The part of this very picture that a comment is about. */
const regionOn = (
  of: Pictured,
  { path, anchor }: { readonly path?: string | undefined; readonly anchor?: Comment['anchor'] | NewAnchor | undefined },
): Region | undefined => {
  if ('asset' in of)
    // What is said of all of it needs no frame.
    return anchor?.kind === 'asset' && anchor.asset === of.asset && (anchor.width < 1 || anchor.height < 1)
      ? anchor
      : undefined;
  return anchor?.kind === 'region' && path === of.path ? anchor : undefined;
};

const aboutOf = (of: Pictured, region: Region): Pick<Draft, 'path' | 'anchor'> =>
  'asset' in of
    ? { path: undefined, anchor: { kind: 'asset', asset: of.asset, ...region } }
    : { path: of.path, anchor: { kind: 'region', ...region } };

interface PictureProps {
  of: Pictured;
  /** What it is called where a comment on a part of it is written. */
  name?: string;
  /** In pixels, to say where a region is. */
  size: { width: number; height: number } | undefined;
  /** The picture itself. */
  children: ComponentChildren;
  /** What is said below it. */
  caption: ComponentChildren;
}

/** A picture with the open comments on its regions, on which a new one is drawn: by a pointer, or by the arrow keys. */
export const PictureRegions = ({ of, name = 'the picture', size, children, caption }: PictureProps) => {
  const workspace = useWorkspace();
  const { talk } = workspace;
  const frame = useRef<HTMLDivElement>(null);
  const aim = useRef<HTMLButtonElement>(null);
  const from = useRef<Point | undefined>(undefined);
  const drawn = useSignal<Region | undefined>(undefined);
  /** The region of the keyboard is on the picture. */
  const aiming = useSignal(false);
  const mayTalk = workspace.canTalk.value;

  const draft = talk.draft.value;
  const drafted = draft && regionOn(of, draft);
  const threads = talk.openThreads.value
    .flatMap((thread) => {
      const region = regionOn(of, thread);
      return region === undefined ? [] : [{ thread, region }];
    })
    // The smaller ones on top, or they could not be reached.
    .sort((a, b) => b.region.width * b.region.height - a.region.width * a.region.height);

  const begin = (region: Region): void => {
    aiming.value = false;
    drawn.value = undefined;
    const pixels = size && [region.width * size.width, region.height * size.height].map((side) => Math.round(side));
    talk.begin({
      ...aboutOf(of, region),
      quote: pixels === undefined ? `A part of ${name}` : `${pixels.join(' × ')} pixels of ${name}`,
    });
  };

  const pointOf = (event: PointerEvent): Point => {
    const box = frame.current?.getBoundingClientRect() ?? new DOMRect(0, 0, 1, 1);
    return {
      x: clamp((event.clientX - box.left) / box.width, 0, 1),
      y: clamp((event.clientY - box.top) / box.height, 0, 1),
    };
  };

  useEffect(() => {
    if (aiming.value) aim.current?.focus();
  }, [aiming.value]);

  // Whoever comes from the list of comments wants to see which part is meant.
  const opened = talk.thread.value;
  useEffect(() => {
    if (opened !== undefined)
      frame.current?.querySelector(`[data-thread="${CSS.escape(opened)}"]`)?.scrollIntoView({ block: 'nearest' });
  }, [opened]);

  const shown = drawn.value ?? drafted;
  return (
    <>
      <div
        ref={frame}
        class={mayTalk ? 'picture drawable' : 'picture'}
        data-testid="picture"
        onPointerDown={(event) => {
          if (!mayTalk || event.button !== 0 || (event.target as Element).closest('button') !== null) return;
          event.preventDefault();
          event.currentTarget.setPointerCapture(event.pointerId);
          aiming.value = false;
          from.current = pointOf(event);
        }}
        onPointerMove={(event) => {
          if (from.current !== undefined) drawn.value = between(from.current, pointOf(event));
        }}
        onPointerUp={(event) => {
          if (from.current === undefined) return;
          const region = between(from.current, pointOf(event));
          from.current = undefined;
          drawn.value = undefined;
          if (region.width >= smallest && region.height >= smallest) begin(region);
        }}
        onPointerCancel={() => {
          from.current = undefined;
          drawn.value = undefined;
        }}
      >
        {children}
        {threads.map(({ thread, region }) => (
          <button
            key={thread.id}
            type="button"
            class={thread.id === opened ? 'region opened' : 'region'}
            style={{ '--person': colorOfAuthor(thread.author, talk.users.value), ...placed(region) }}
            data-thread={thread.id}
            data-testid={`region-${thread.id}`}
            title={`${thread.author.displayName}: ${thread.body.slice(0, 200)}`}
            aria-label={`Comment of ${thread.author.displayName}: ${thread.body.slice(0, 200)}`}
            onClick={() => talk.showThread(thread.id)}
          >
            <span class="region-name">{thread.author.displayName}</span>
          </button>
        ))}
        {shown !== undefined && !aiming.value && (
          <span class="region new" style={placed(shown)} data-testid="region-new" />
        )}
        {aiming.value && drawn.value !== undefined && (
          <button
            ref={aim}
            type="button"
            class="region new aim"
            style={placed(drawn.value)}
            data-testid="region-aim"
            aria-label="Part of the picture. Arrow keys move it, with Shift they change its size, Enter comments on it, Escape leaves."
            onKeyDown={(event) => {
              if (event.key === 'Escape') {
                aiming.value = false;
                drawn.value = undefined;
              } else {
                const next = drawn.value && afterKey(drawn.value, event);
                if (next === undefined) return;
                drawn.value = next;
              }
              event.preventDefault();
              event.stopPropagation();
            }}
            onClick={() => drawn.value !== undefined && begin(drawn.value)}
          />
        )}
      </div>
      <figcaption>
        <span>{caption}</span>
        {mayTalk && (
          <button
            type="button"
            class="button small"
            data-testid="comment-region"
            aria-pressed={aiming.value}
            onClick={() => {
              aiming.value = !aiming.value;
              drawn.value = aiming.value ? { x: 0.35, y: 0.35, width: 0.3, height: 0.3 } : undefined;
            }}
          >
            <Icon name="comment" size={13} /> Comment on a part
          </button>
        )}
      </figcaption>
      {mayTalk && (
        <p class="picture-hint" role="status">
          {aiming.value
            ? 'Arrow keys move the frame, with Shift they size it. Enter comments, Escape leaves.'
            : 'Draw a frame on the picture to comment on that part.'}
        </p>
      )}
    </>
  );
};
