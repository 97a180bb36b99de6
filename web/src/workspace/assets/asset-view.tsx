import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Asset, AssetVersion } from '../../../../src/contract/assets.ts';
import { limits } from '../../../../src/contract/limits.ts';
import { day } from '../../../../src/contract/units.ts';
import { saveBlob } from '../../state/save.ts';
import { attempt } from '../../state/toasts.ts';
import { confirm } from '../../ui/confirm.tsx';
import { formatAgo, formatBytes, formatDuration } from '../../ui/format.ts';
import { Icon } from '../../ui/icon.tsx';
import { MenuButton, type MenuItem } from '../../ui/menu.tsx';
import { TextDialog } from '../../ui/text-dialog.tsx';
import { useWorkspace } from '../context.ts';
import { PictureRegions } from '../picture-regions.tsx';
import { pathInBuild, pictureOf, shrinkable, typeIcons, whyNotSmaller } from './kinds.ts';

/** Letters of a font that is not installed, in a family of its own. */
const FontSample = ({ asset }: { asset: Asset }) => {
  const workspace = useWorkspace();
  const family = useSignal<string | undefined>(undefined);
  const { id, version } = asset;
  useEffect(() => {
    const name = `kiln-${id}-${version}`;
    let face: FontFace | undefined;
    let gone = false;
    void attempt(async () => {
      const bytes = await (await workspace.assets.bytes(asset)).arrayBuffer();
      if (gone) return;
      face = await new FontFace(name, bytes).load();
      document.fonts.add(face);
      family.value = name;
    });
    return () => {
      gone = true;
      if (face !== undefined) document.fonts.delete(face);
    };
  }, [workspace, id, version, family]);
  return (
    <div class="font-sample" style={family.value === undefined ? {} : { fontFamily: family.value }}>
      <span>Aa Bb Cc 0123</span>
      <p>Sphinx of black quartz, judge my vow. Score 98,765 — level up!</p>
    </div>
  );
};

const Preview = ({ asset }: { asset: Asset }) => {
  const broken = useSignal(false);
  const size = useSignal<{ width: number; height: number } | undefined>(undefined);
  const source = pictureOf(asset);
  if (asset.deletedAt !== null)
    return (
      <div class="asset-unseen">
        <Icon name="trash" size={34} />
        <p>In the trash until {new Date(Date.parse(asset.deletedAt) + limits.asset.trashTtl).toLocaleDateString()}.</p>
      </div>
    );
  if (asset.type === 'audio')
    return (
      // biome-ignore lint/a11y/useMediaCaption: a sound of a game has no captions
      <audio controls src={asset.url} preload="metadata" data-testid="asset-audio" />
    );
  if (asset.type === 'video')
    return (
      // biome-ignore lint/a11y/useMediaCaption: a film of a game has none yet
      <video controls src={asset.url} preload="metadata" data-testid="asset-video" />
    );
  if (asset.type === 'font') return <FontSample key={`${asset.id} ${asset.version}`} asset={asset} />;
  if (source === undefined || broken.value)
    return (
      <div class="asset-unseen">
        <Icon name={typeIcons[asset.type]} size={34} />
        <p>There is no picture of this kind of file.</p>
      </div>
    );
  // The whole picture, where browsers show it; else the small one.
  const whole = asset.type === 'image' ? asset.url : source;
  const picture = (
    <img
      // Pixel art is looked at enlarged.
      class={(size.value?.width ?? 0) <= 128 ? 'checker pixelated' : 'checker'}
      src={whole}
      draggable={false}
      alt={asset.name}
      data-testid="asset-picture"
      onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) => {
        size.value = { width: naturalWidth, height: naturalHeight };
      }}
      onError={() => {
        broken.value = true;
      }}
    />
  );
  return (
    <figure class="image-panel">
      <PictureRegions
        of={{ asset: asset.id }}
        name={asset.name}
        size={size.value}
        caption={size.value && `${size.value.width} × ${size.value.height}`}
      >
        {picture}
      </PictureRegions>
    </figure>
  );
};

const word = (key: string): string => key.replace(/([A-Z])/g, ' $1').replace(/^./, (first) => first.toUpperCase());

const factOf = (key: string, value: unknown): string => {
  if (key === 'duration' && typeof value === 'number') return formatDuration(value * 1000);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return value.toLocaleString('en');
  return typeof value === 'string' ? value : JSON.stringify(value);
};

/** What is known of the bytes; a width and height are one fact. */
const Facts = ({ asset }: { asset: Asset }) => {
  const { width, height, optimized, ...others } = asset.metadata;
  return (
    <dl class="facts" data-testid="asset-facts">
      <dt>Kind</dt>
      <dd>{asset.mimeType}</dd>
      <dt>Size</dt>
      <dd>{formatBytes(asset.size)}</dd>
      {width !== undefined && height !== undefined && (
        <>
          <dt>Picture</dt>
          <dd>
            {String(width)} × {String(height)}
          </dd>
        </>
      )}
      {Object.entries(others).map(([key, value]) => (
        <>
          <dt key={key}>{word(key)}</dt>
          <dd>{factOf(key, value)}</dd>
        </>
      ))}
      {optimized !== undefined && optimized.savedBytes > 0 && (
        <>
          <dt>Made smaller</dt>
          <dd>by {formatBytes(optimized.savedBytes)}</dd>
        </>
      )}
      <dt>In a build</dt>
      <dd>
        <code>{pathInBuild(asset)}</code>
      </dd>
    </dl>
  );
};

/** That a runner is making it smaller, or could not. */
const Shrinking = ({ asset }: { asset: Asset }) => {
  const { assets } = useWorkspace();
  const now = assets.optimization.value;
  if (now === undefined || now.status === 'done' || asset.deletedAt !== null) return null;
  if (now.status === 'failed')
    return now.version === asset.version ? (
      <p class="shrinking failed" role="status" data-testid="asset-shrinking">
        <Icon name="warning" size={14} />
        <span>It could not be made smaller. {whyNotSmaller(now)}</span>
      </p>
    ) : null;
  return (
    <p class="shrinking" role="status" data-testid="asset-shrinking">
      <span class="dot" aria-hidden="true" />
      <span>{now.status === 'queued' ? 'Waiting for a build runner to make it smaller…' : 'Being made smaller…'}</span>
    </p>
  );
};

const Version = ({ asset, version }: { asset: Asset; version: AssetVersion }) => {
  const workspace = useWorkspace();
  const newest = version.version === asset.version;
  const save = () => attempt(async () => saveBlob(await workspace.assets.bytes(asset, version.version), asset.name));
  return (
    <li class="asset-version" data-testid={`version-${version.version}`}>
      <span class={newest ? 'version-number newest' : 'version-number'}>{version.version}</span>
      <span class="version-text">
        <strong>{newest ? 'Newest' : formatBytes(version.size)}</strong>
        <span class="version-about">
          {newest ? `${formatBytes(version.size)} · ` : ''}
          {workspace.names.of(version.uploadedBy)} ·{' '}
          <time dateTime={version.uploadedAt} title={new Date(version.uploadedAt).toLocaleString()}>
            {formatAgo(version.uploadedAt)}
          </time>
        </span>
      </span>
      <button
        type="button"
        class="icon-button"
        aria-label={`Download version ${version.version}`}
        title="Download"
        onClick={() => void save()}
      >
        <Icon name="download" size={14} />
      </button>
      {!newest && workspace.canWrite.value && (
        <button
          type="button"
          class="icon-button"
          aria-label={`Make version ${version.version} the newest`}
          title="Make it the newest again"
          data-testid={`version-restore-${version.version}`}
          onClick={() => void workspace.assets.restoreVersion(asset, version.version)}
        >
          <Icon name="history" size={14} />
        </button>
      )}
    </li>
  );
};

/** An asset, over the editors: how it looks or sounds, what is known of it, its versions. */
export const AssetView = () => {
  const workspace = useWorkspace();
  const { assets, front } = workspace;
  const naming = useSignal(false);
  const asset = assets.looked.value;
  if (asset === undefined) return null;
  const canWrite = workspace.canWrite.value;
  const trashed = asset.deletedAt !== null;
  const versions = assets.versions.value;
  const shrinking = assets.optimization.value;

  const remove = async () => {
    const yes = await confirm({
      title: trashed ? `Erase ${asset.name}?` : `Delete ${asset.name}?`,
      text: trashed
        ? 'All its versions are gone for good, for everyone in the project.'
        : `It is deleted for everyone in the project, with its versions. The trash keeps it for ${limits.asset.trashTtl / day} days.`,
      action: trashed ? 'Erase' : 'Delete',
    });
    if (!yes) return;
    await assets.remove(asset);
    front.value = 'editor';
  };

  const actions = (): MenuItem[] => [
    {
      label: 'Rename',
      icon: 'pencil',
      testId: 'asset-rename',
      run: () => {
        naming.value = true;
      },
    },
    ...(shrinkable(asset) && !(shrinking?.status === 'queued' || shrinking?.status === 'running')
      ? [
          {
            label: 'Make it smaller',
            icon: 'compress' as const,
            testId: 'asset-optimize',
            run: () => void assets.optimize(asset),
          },
        ]
      : []),
    { label: 'Delete', icon: 'trash', danger: true, testId: 'asset-delete', run: () => void remove() },
  ];

  return (
    <section class="over" aria-label={`Asset ${asset.name}`} data-testid="asset-view">
      <header class="over-head">
        <button
          type="button"
          class="icon-button"
          aria-label="Back to the editor"
          title="Back to the editor"
          data-testid="asset-close"
          onClick={() => {
            front.value = 'editor';
          }}
        >
          <Icon name="back" />
        </button>
        <div class="over-title">
          <h2>{asset.name}</h2>
          <p>
            Version {asset.version} · {workspace.names.of(asset.uploadedBy)} ·{' '}
            <time dateTime={asset.uploadedAt} title={new Date(asset.uploadedAt).toLocaleString()}>
              {formatAgo(asset.uploadedAt)}
            </time>
          </p>
        </div>
        <div class="over-actions">
          {!trashed && (
            <>
              <button
                type="button"
                class="button small"
                data-testid="asset-insert"
                title={
                  workspace.activeTab.value === undefined
                    ? 'Open the code or the scene that it is to go into'
                    : `Insert it into ${workspace.activeTab.value.path}`
                }
                disabled={!workspace.canInsert.value}
                onClick={() => workspace.insertAsset(asset)}
              >
                <Icon name="plus" size={13} /> Insert
              </button>
              <button
                type="button"
                class="button small"
                data-testid="asset-download"
                onClick={() => void attempt(async () => saveBlob(await assets.bytes(asset), asset.name))}
              >
                <Icon name="download" size={13} /> Download
              </button>
            </>
          )}
          {canWrite && !trashed && <MenuButton label="More for this asset" items={actions} testId="asset-menu" />}
          {canWrite && trashed && (
            <>
              <button
                type="button"
                class="button small"
                data-testid="asset-restore"
                onClick={() => void assets.restore(asset)}
              >
                <Icon name="history" size={13} /> Restore
              </button>
              <button type="button" class="button small danger" data-testid="asset-erase" onClick={() => void remove()}>
                <Icon name="trash" size={13} /> Erase
              </button>
            </>
          )}
        </div>
      </header>
      <div class="asset-body">
        <div class="asset-preview">
          <Preview key={`${asset.id} ${asset.version} ${trashed}`} asset={asset} />
        </div>
        <div class="asset-about">
          <Shrinking asset={asset} />
          <Facts asset={asset} />
          {!trashed && (
            <>
              <h3>Versions</h3>
              <ul class="asset-versions" data-testid="asset-versions">
                {versions?.map((version) => (
                  <Version key={version.version} asset={asset} version={version} />
                ))}
                {versions === undefined && <li class="asset-version skeleton" />}
              </ul>
            </>
          )}
        </div>
      </div>
      {naming.value && (
        <TextDialog
          title="Rename the asset"
          label="Name"
          note="Code and scenes that name it keep the old name."
          value={asset.name}
          maxLength={limits.file.segmentBytes}
          action="Rename"
          onSubmit={async (name) => {
            if (await assets.rename(asset, name)) naming.value = false;
          }}
          onClose={() => {
            naming.value = false;
          }}
        />
      )}
    </section>
  );
};
