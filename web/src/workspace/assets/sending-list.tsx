import { formatBytes, plural } from '../../ui/format.ts';
import { Icon } from '../../ui/icon.tsx';
import { useWorkspace } from '../context.ts';
import { canStop, type Sending } from './assets.ts';

const describe = ({ state, interrupted, refusal, progress, file }: Sending): string => {
  if (state === 'refused') return refusal ?? 'It was refused.';
  if (state === 'stopped') return 'Stopped';
  if (interrupted) return 'Waiting for the connection…';
  if (state === 'waiting') return `Waiting · ${formatBytes(file.size)}`;
  if (state === 'verifying') return 'Checking the bytes…';
  return `${state === 'hashing' ? 'Reading' : 'Sending'} · ${Math.floor(progress * 100)} % of ${formatBytes(file.size)}`;
};

const Row = ({ one }: { one: Sending }) => {
  const { assets } = useWorkspace();
  const { id, file, state, progress } = one;
  const ended = state === 'refused' || state === 'stopped';
  return (
    <li class={`sending ${state}`} data-testid={`sending-${file.name}`} data-state={state}>
      <div class="sending-text">
        <strong title={file.name}>{file.name}</strong>
        <span class="sending-state" role={state === 'refused' ? 'alert' : undefined}>
          {describe(one)}
        </span>
      </div>
      {state === 'stopped' && (
        <button
          type="button"
          class="icon-button"
          aria-label={`Go on with ${file.name}`}
          title="Go on"
          data-testid={`resume-${file.name}`}
          onClick={() => assets.resume(id)}
        >
          <Icon name="retry" size={14} />
        </button>
      )}
      {canStop(one) && (
        <button
          type="button"
          class="icon-button"
          aria-label={ended ? `Forget ${file.name}` : `Stop ${file.name}`}
          title={ended ? 'Forget it' : 'Stop'}
          data-testid={`${ended ? 'dismiss' : 'stop'}-${file.name}`}
          onClick={() => (ended ? assets.dismiss(id) : assets.stop(id))}
        >
          <Icon name="close" size={13} />
        </button>
      )}
      {!ended && (
        <progress
          class="sending-bar"
          aria-label={`Upload of ${file.name}`}
          // Checking says nothing of how far it is.
          {...(state === 'verifying' ? {} : { value: progress })}
          max={1}
        />
      )}
    </li>
  );
};

/** How it goes with all of them, where they are more than one sees at once. */
const summaryOf = (sending: readonly Sending[]): string => {
  const ended = sending.filter(({ state }) => state === 'refused' || state === 'stopped').length;
  const going = sending.length - ended;
  return [going > 0 && `${plural(going, 'file')} on the way`, ended > 0 && `${ended} not uploaded`]
    .filter(Boolean)
    .join(' · ');
};

/** The files that are on their way; those that need somebody come first. */
export const SendingList = () => {
  const { assets } = useWorkspace();
  const sending = assets.sending.value;
  if (sending.length === 0) return null;
  const ended = sending.filter(({ state }) => state === 'refused' || state === 'stopped');
  const rows = [...ended, ...sending.filter((one) => !ended.includes(one))];
  return (
    <section class="sending-list" aria-label="Uploads" data-testid="uploads">
      {sending.length > 3 && (
        <p class="sending-summary" role="status" data-testid="uploads-summary">
          {summaryOf(sending)}
        </p>
      )}
      <ul>
        {rows.map((one) => (
          <Row key={one.id} one={one} />
        ))}
      </ul>
    </section>
  );
};
