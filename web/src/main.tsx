import { render } from 'preact';
import * as z from 'zod';
import { App } from './app.tsx';
import { restoreSession } from './state/session.ts';
import './styles/base.css';
import './styles/controls.css';
import './styles/auth.css';
import './styles/account.css';
import './styles/projects.css';
import './styles/workspace.css';
import './styles/builds.css';
import './styles/sharing.css';
import './styles/search.css';
import './styles/menu.css';
import './styles/file-tree.css';
import './styles/assets.css';
import './styles/history.css';
import './styles/merge.css';
import './styles/talk.css';
import './styles/scene.css';
import './styles/publish.css';

// The content security policy forbids `eval`, which zod would otherwise try.
z.config({ jitless: true });

const root = document.getElementById('app');
if (root !== null) render(<App />, root);
void restoreSession();
