import { useWorkspace } from './context.ts';

/** The two things that the left panel lists. */
export const PanelTabs = () => {
  const { assets } = useWorkspace();
  const shown = assets.open.value;
  return (
    <div class="segments panel-tabs" role="tablist" aria-label="What the project has">
      <button type="button" role="tab" aria-selected={!shown} data-testid="show-files" onClick={() => assets.hide()}>
        Files
      </button>
      <button type="button" role="tab" aria-selected={shown} data-testid="show-assets" onClick={() => assets.show()}>
        Assets
      </button>
    </div>
  );
};
