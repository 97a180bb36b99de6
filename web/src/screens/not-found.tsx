import { linkTo } from '../router.ts';
import { Mark } from '../ui/mark.tsx';

export const NotFound = ({
  title = 'There is nothing here',
  text = 'The address is wrong, or it belongs to a project that you are not a member of.',
}) => (
  <main class="message-page">
    <Mark size={56} />
    <h1>{title}</h1>
    <p>{text}</p>
    <a class="button primary" {...linkTo('/')}>
      Go to your projects
    </a>
  </main>
);
