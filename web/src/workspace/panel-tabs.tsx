import { Segments } from '../ui/segments.tsx';
import { useWorkspace } from './context.ts';

/** The two things that the left panel lists. */
export const PanelTabs = () => {
  const { assets } = useWorkspace();
  return (
    <Segments
      class="panel-tabs"
      label="What the project has"
      names={['files', 'assets'] as const}
      chosen={assets.open.value ? 'assets' : 'files'}
      onChoose={(name) => (name === 'assets' ? assets.show() : assets.hide())}
      titleOf={(name) => (name === 'assets' ? 'Assets' : 'Files')}
      testIds="show"
    />
  );
};
