import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Workspace } from './model.ts';

const WorkspaceContext = createContext<Workspace | undefined>(undefined);
export const WorkspaceProvider = WorkspaceContext.Provider;

export const useWorkspace = (): Workspace => {
  const workspace = useContext(WorkspaceContext);
  if (workspace === undefined) throw new Error('used outside of a workspace');
  return workspace;
};
