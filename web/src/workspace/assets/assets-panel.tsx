import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { AssetType } from '../../../../src/contract/assets.ts';
import { limits } from '../../../../src/contract/limits.ts';
import { day } from '../../../../src/contract/units.ts';
import { Icon } from '../../ui/icon.tsx';
import { useWorkspace } from '../context.ts';
import { PanelTabs } from '../panel-tabs.tsx';
import { AssetCard } from './asset-card.tsx';
import { packable, typeNames } from './kinds.ts';
import { PackBar } from './pack-bar.tsx';
import { SendingList } from './sending-list.tsx';

const Empty = ({ canWrite, filtered }: { canWrite: boolean; filtered: boolean }) => {
  const { assets } = useWorkspace();
  return (
    <p class="assets-empty">
      {assets.trashed.value
        ? 'Nothing is in the trash.'
        : filtered
          ? 'No asset is like that.'
          : `Pictures, sound, fonts and models of the game.${canWrite ? ' Drop files here, or choose them with the arrow above.' : ''}`}
    </p>
  );
};

const Filters = () => {
  const { assets } = useWorkspace();
  return (
    <div class="assets-tools">
      <input
        class="input small"
        type="search"
        aria-label="Part of the name"
        placeholder="Find by name"
        data-testid="asset-query"
        maxLength={limits.asset.searchMax}
        value={assets.query.value}
        onInput={(event) => assets.filter({ query: event.currentTarget.value })}
      />
      <div class="assets-kinds">
        <select
          class="select"
          aria-label="Kind of asset"
          data-testid="asset-type"
          value={assets.type.value ?? ''}
          onChange={(event) => {
            const type = AssetType.safeParse(event.currentTarget.value);
            assets.filter({ type: type.success ? type.data : undefined });
          }}
        >
          <option value="">Everything</option>
          {AssetType.options.map((type) => (
            <option key={type} value={type}>
              {typeNames[type]}
            </option>
          ))}
        </select>
        <button
          type="button"
          class="icon-button"
          aria-label="Trash"
          title={
            assets.trashed.value
              ? 'Back from the trash'
              : `What was deleted in the last ${limits.asset.trashTtl / day} days`
          }
          aria-pressed={assets.trashed.value}
          data-testid="asset-trash"
          onClick={() => assets.filter({ trashed: !assets.trashed.value })}
        >
          <Icon name="trash" size={15} />
        </button>
      </div>
    </div>
  );
};

/** The assets of the project as a grid, and the place to drop new ones. */
export const AssetsPanel = () => {
  const workspace = useWorkspace();
  const { assets, front } = workspace;
  const dropping = useSignal(false);
  const picker = useRef<HTMLInputElement>(null);
  const canWrite = workspace.canWrite.value;
  const list = assets.list.value;
  const filtered = assets.query.value.trim() !== '' || assets.type.value !== undefined;
  const carriesFiles = (event: DragEvent) => canWrite && event.dataTransfer?.types.includes('Files') === true;
  return (
    <section
      class={dropping.value ? 'assets-panel dropping' : 'assets-panel'}
      aria-label="Assets"
      data-testid="assets-panel"
      onDragOver={(event) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        dropping.value = true;
      }}
      onDragLeave={(event) => {
        if (!(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget)))
          dropping.value = false;
      }}
      onDrop={(event) => {
        dropping.value = false;
        if (!carriesFiles(event)) return;
        event.preventDefault();
        assets.upload([...(event.dataTransfer?.files ?? [])]);
      }}
    >
      <div class="panel-head">
        <PanelTabs />
        <div class="panel-tools">
          {canWrite && (
            <button
              type="button"
              class="icon-button"
              aria-label="Upload assets"
              title="Upload assets"
              data-testid="asset-upload"
              onClick={() => picker.current?.click()}
            >
              <Icon name="upload" size={15} />
            </button>
          )}
        </div>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          data-testid="asset-files"
          onChange={(event) => {
            assets.upload([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = '';
          }}
        />
      </div>
      <Filters />
      <div class="assets-scroll">
        <ul class="asset-grid" data-testid="assets">
          {list?.map((asset) => (
            <AssetCard
              key={asset.id}
              asset={asset}
              chosen={front.value === 'asset' && assets.looked.value?.id === asset.id}
              picked={assets.picked.value.some(({ id }) => id === asset.id)}
              onPick={canWrite && packable(asset) ? () => assets.pick(asset) : undefined}
              onChoose={() => {
                assets.look(asset);
                front.value = 'asset';
              }}
              onInsert={
                asset.deletedAt === null && workspace.canInsert.value ? () => workspace.insertAsset(asset) : undefined
              }
            />
          ))}
          {list === undefined && [1, 2, 3, 4].map((key) => <li key={key} class="asset-card skeleton" />)}
        </ul>
        {list?.length === 0 && <Empty canWrite={canWrite} filtered={filtered} />}
        {assets.nextCursor.value !== null && list !== undefined && (
          <button type="button" class="button small" data-testid="assets-more" onClick={() => void assets.more()}>
            Show more
          </button>
        )}
      </div>
      <PackBar />
      <SendingList />
      {dropping.value && (
        <div class="drop-note" aria-hidden="true">
          <Icon name="upload" size={22} />
          Drop to upload
        </div>
      )}
    </section>
  );
};
