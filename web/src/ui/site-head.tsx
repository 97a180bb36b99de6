import { linkTo } from '../router.ts';
import { AccountMenu } from './account.tsx';
import { Mark } from './mark.tsx';

/** The head of every page that is no project: the way home, and the account. */
export const SiteHead = () => (
  <header class="site-head">
    <a class="wordmark" {...linkTo('/')}>
      <Mark size={28} /> Kiln
    </a>
    <AccountMenu />
  </header>
);
