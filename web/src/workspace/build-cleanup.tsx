import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type * as z from 'zod';
import type { CleanedBuilds } from '../../../src/contract/builds.ts';
import { limits } from '../../../src/contract/limits.ts';
import { day } from '../../../src/contract/units.ts';
import { toast } from '../state/toasts.ts';
import { Dialog } from '../ui/dialog.tsx';
import { type Fault, FaultNote, faultOf } from '../ui/field.tsx';
import { formatAgo, formatBytes, plural } from '../ui/format.ts';
import { statusNames, targetNames } from './build-words.ts';
import { useWorkspace } from './context.ts';

type Report = z.infer<typeof CleanedBuilds>;

const { retention } = limits.build;
const { cleanupNamed } = limits.workspace;

interface NumberFieldProps {
  label: string;
  note: string;
  name: 'keep' | 'olderThanDays';
  min: number;
  max: number;
  value: string;
  fault: Fault | undefined;
  onInput: (value: string) => void;
}

const NumberField = ({ label, note, name, min, max, value, fault, onInput }: NumberFieldProps) => {
  const isWrong = fault?.fields[name] !== undefined;
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      <input
        class="input"
        type="number"
        inputMode="numeric"
        data-testid={`clean-${name}`}
        required
        min={min}
        max={max}
        step={1}
        aria-invalid={isWrong}
        aria-describedby={`clean-${name}-note`}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <span class={isWrong ? 'field-note wrong' : 'field-note'} id={`clean-${name}-note`}>
        {isWrong ? `A whole number from ${min} to ${max}.` : note}
      </span>
    </label>
  );
};

const Found = ({ report }: { report: Report }) => {
  const { count, bytes, builds, kept } = report;
  const named = builds.slice(0, cleanupNamed);
  return (
    <div class="clean-report">
      <p>
        {count === 0 ? (
          'Nothing to remove: there are no older builds than those that stay.'
        ) : (
          <>
            <strong>{plural(count, 'build')}</strong> would go
            {bytes > 0 && (
              <>
                , which frees <strong>{formatBytes(bytes)}</strong>
              </>
            )}
            .
          </>
        )}
        {kept.count > 0 && (
          <span class="muted">
            {' '}
            {kept.count === 1 ? 'One as old stays: it is' : `${kept.count} as old stay: they are`} published.
          </span>
        )}
      </p>
      {named.length > 0 && (
        <ul aria-label="Builds that would go">
          {named.map(({ buildId, target, status, size, completedAt }) => (
            <li key={buildId}>
              <span class={`status-dot ${status}`} />
              <span class="clean-name">
                {targetNames[target]} · {statusNames[status]}
              </span>
              <span class="faint">{completedAt !== null && formatAgo(completedAt)}</span>
              <span class="clean-size">{size > 0 && formatBytes(size)}</span>
            </li>
          ))}
          {count > named.length && <li class="faint">and {count - named.length} more</li>}
        </ul>
      )}
    </div>
  );
};

/** Says which old builds would go by what is to stay, and removes them. */
export const CleanupDialog = ({ onClose }: { onClose: () => void }) => {
  const { client, id, builds } = useWorkspace();
  const keep = useSignal(String(retention.newest));
  const olderThanDays = useSignal(String(retention.age / day));
  const report = useSignal<Report | undefined>(undefined);
  const fault = useSignal<Fault | undefined>(undefined);
  const removing = useSignal(false);
  const removed = useSignal(0);

  const ask = (dryRun: boolean, signal?: AbortSignal) =>
    client.call('cleanBuilds', {
      params: { id },
      // What is no number at all is refused like one that is out of bounds.
      body: {
        dryRun,
        keep: Number(keep.value || Number.NaN),
        olderThanDays: Number(olderThanDays.value || Number.NaN),
      },
      ...(signal !== undefined && { signal }),
    });

  const question = `${keep.value} ${olderThanDays.value}`;
  useEffect(() => {
    const aborter = new AbortController();
    report.value = undefined;
    fault.value = undefined;
    const timer = setTimeout(() => {
      ask(true, aborter.signal)
        .then((answer) => {
          report.value = answer;
        })
        .catch((error: unknown) => {
          if (!aborter.signal.aborted) fault.value = faultOf(error);
        });
    }, limits.workspace.filterAfter);
    return () => {
      clearTimeout(timer);
      aborter.abort();
    };
  }, [question, client, id, report, fault]);

  const remove = async (event: SubmitEvent) => {
    event.preventDefault();
    if (removing.value || !report.value?.count) return;
    removing.value = true;
    fault.value = undefined;
    try {
      // One request removes a part of them.
      for (;;) {
        const { builds: gone, count } = await ask(false);
        builds.forget(gone.map(({ buildId }) => buildId));
        removed.value += gone.length;
        if (gone.length === 0 || gone.length >= count) break;
      }
      toast({ kind: 'success', title: `${plural(removed.value, 'build')} removed` });
      onClose();
    } catch (error) {
      fault.value = faultOf(error);
      removing.value = false;
    }
  };

  const count = report.value?.count ?? 0;
  return (
    <Dialog title="Clean up builds" lead="Published builds stay, whatever their age." onClose={onClose}>
      <form class="build-form" noValidate onSubmit={(event) => void remove(event)}>
        <div class="clean-fields">
          <NumberField
            label="Keep the newest"
            note="of each target; failed ones apart"
            name="keep"
            min={1}
            max={retention.newestMax}
            value={keep.value}
            fault={fault.value}
            onInput={(value) => {
              keep.value = value;
            }}
          />
          <NumberField
            label="Older than, in days"
            note="0 takes them at any age"
            name="olderThanDays"
            min={0}
            max={limits.gc.ageMax / day}
            value={olderThanDays.value}
            fault={fault.value}
            onInput={(value) => {
              olderThanDays.value = value;
            }}
          />
        </div>
        <div class="clean-answer" aria-live="polite" data-testid="clean-report">
          {report.value !== undefined ? (
            <Found report={report.value} />
          ) : (
            fault.value === undefined && <p class="muted">Counting…</p>
          )}
        </div>
        {Object.keys(fault.value?.fields ?? {}).length === 0 && <FaultNote fault={fault.value} />}
        <footer class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            {removing.value ? 'Close' : 'Cancel'}
          </button>
          <button
            type="submit"
            class="button danger"
            data-testid="clean-now"
            disabled={count === 0 || removing.value}
            aria-busy={removing.value}
          >
            {removing.value
              ? `Removed ${removed.value}…`
              : count === 0
                ? 'Remove'
                : `Remove ${plural(count, 'build')} for good`}
          </button>
        </footer>
      </form>
    </Dialog>
  );
};
