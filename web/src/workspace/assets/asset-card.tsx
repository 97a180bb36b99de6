import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Asset } from '../../../../src/contract/assets.ts';
import { formatBytes } from '../../ui/format.ts';
import { Icon } from '../../ui/icon.tsx';
import { draggedAsset, pathInBuild, pictureOf, typeIcons } from './kinds.ts';

/** Plays a sound where it stands. One at a time, whatever else plays. */
let playing: HTMLAudioElement | undefined;

const PlaySound = ({ asset }: { asset: Asset }) => {
  const on = useSignal(false);
  const audio = useRef<HTMLAudioElement | undefined>(undefined);
  useEffect(() => () => audio.current?.pause(), []);
  const toggle = () => {
    if (on.value) return audio.current?.pause();
    playing?.pause();
    const element = audio.current ?? new Audio();
    if (element.src !== asset.url) element.src = asset.url;
    audio.current = element;
    playing = element;
    element.onplay = () => {
      on.value = true;
    };
    element.onpause = () => {
      on.value = false;
    };
    element.currentTime = 0;
    element.play().catch(() => {
      on.value = false;
    });
  };
  return (
    <button
      type="button"
      class="card-play"
      aria-label={on.value ? `Stop ${asset.name}` : `Play ${asset.name}`}
      aria-pressed={on.value}
      tabIndex={-1}
      data-testid={`play-${asset.name}`}
      onClick={(event) => {
        event.stopPropagation();
        toggle();
      }}
    >
      <Icon name={on.value ? 'stop' : 'play'} size={14} fill />
    </button>
  );
};

const Picture = ({ asset }: { asset: Asset }) => {
  const broken = useSignal<string | undefined>(undefined);
  const source = pictureOf(asset);
  const width = Number(asset.metadata.width ?? Number.POSITIVE_INFINITY);
  if (source === undefined || broken.value === source)
    return (
      <span class={`card-icon ${asset.type}`}>
        <Icon name={typeIcons[asset.type]} size={26} />
      </span>
    );
  return (
    <img
      class={width <= 64 ? 'pixelated' : ''}
      src={source}
      alt=""
      loading="lazy"
      draggable={false}
      onError={() => {
        broken.value = source;
      }}
    />
  );
};

interface AssetCardProps {
  asset: Asset;
  chosen: boolean;
  /** Whether it is among those that are to become a sheet. */
  picked: boolean;
  onChoose: () => void;
  /** Undefined where it cannot be. */
  onPick: (() => void) | undefined;
  onInsert: (() => void) | undefined;
}

/**
 * An asset in the grid. A click looks at it, a double click or Ctrl+Enter inserts it, and it can be dragged into code.
 * Ctrl+click, Ctrl+Space and its check mark choose pictures for a sheet.
 */
export const AssetCard = ({ asset, chosen, picked, onChoose, onPick, onInsert }: AssetCardProps) => (
  <li class="card-place">
    <button
      type="button"
      class={`asset-card${chosen ? ' chosen' : ''}${picked ? ' picked' : ''}`}
      aria-current={chosen}
      title={`${asset.name} · ${formatBytes(asset.size)}`}
      data-testid={`asset-${asset.name}`}
      draggable={asset.deletedAt === null}
      onClick={(event) => ((event.ctrlKey || event.metaKey) && onPick !== undefined ? onPick() : onChoose())}
      onDblClick={onInsert}
      onKeyDown={(event) => {
        if (!(event.ctrlKey || event.metaKey)) return;
        const act = event.key === 'Enter' ? onInsert : event.key === ' ' ? onPick : undefined;
        if (act === undefined) return;
        event.preventDefault();
        // Ctrl+Enter builds elsewhere.
        event.stopPropagation();
        act();
      }}
      onDragStart={(event) => {
        event.dataTransfer?.setData(draggedAsset, asset.id);
        event.dataTransfer?.setData('text/plain', pathInBuild(asset));
      }}
    >
      <span class="card-picture checker">
        <Picture asset={asset} />
      </span>
      <span class="card-name">{asset.name}</span>
    </button>
    {asset.type === 'audio' && asset.deletedAt === null && <PlaySound asset={asset} />}
    {onPick !== undefined && (
      <button
        type="button"
        class="card-pick"
        aria-label={`Choose ${asset.name} for a sheet`}
        aria-pressed={picked}
        title="Choose it for a sheet (Ctrl+click)"
        tabIndex={-1}
        data-testid={`pick-${asset.name}`}
        onClick={onPick}
      >
        <Icon name="check" size={12} />
      </button>
    )}
  </li>
);
