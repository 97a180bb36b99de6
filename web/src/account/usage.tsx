import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Usage } from '../../../src/contract/sharing.ts';
import { client } from '../state/session.ts';
import { attempt } from '../state/toasts.ts';
import { formatBytes } from '../ui/format.ts';
import { Section } from './section.tsx';

interface MeasureProps {
  name: string;
  used: number;
  limit: number;
  note?: string | undefined;
  show?: (value: number) => string;
  testid: string;
}

const Measure = ({ name, used, limit, note, show = (value) => value.toLocaleString('en'), testid }: MeasureProps) => (
  <li class="usage-row" data-testid={testid}>
    <span class="usage-name" id={`${testid}-name`}>
      {name}
    </span>
    <span class="usage-number">
      {show(used)} <span class="faint">of {show(limit)}</span>
    </span>
    <meter
      class="usage-meter"
      aria-labelledby={`${testid}-name`}
      min={0}
      max={limit}
      value={Math.min(used, limit)}
      high={limit * 0.8}
      optimum={0}
    />
    {note !== undefined && <span class="muted usage-note">{note}</span>}
  </li>
);

const backAt = (resetsAt: string | null): string => {
  if (resetsAt === null) return 'All of them are free.';
  const at = new Date(resetsAt);
  const time = at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return `They come back one by one; all are free again at ${at.toDateString() === new Date().toDateString() ? time : `${time} tomorrow`}.`;
};

const largest = (projects: Usage['buildBytes']['projects']): string =>
  projects.length === 0
    ? 'What the builds of your projects made is counted here.'
    : `What the builds of your projects made, most of it in ${projects.map(({ name, used }) => `${name} (${formatBytes(used)})`).join(', ')}.`;

/** What a person has used of what they may use. */
export const UsageSection = () => {
  const usage = useSignal<Usage | undefined>(undefined);
  useEffect(
    () =>
      void attempt(async () => {
        usage.value = (await client.call('getUsage')).usage;
      }),
    [usage],
  );
  const numbers = usage.value;
  return (
    <Section id="usage" title="Usage" lead="What you have used, and how much there is for you.">
      {numbers === undefined ? (
        <div class="skeleton usage-waiting" />
      ) : (
        <ul class="account-rows">
          <Measure
            name="Builds in a day"
            {...numbers.builds.day}
            note={backAt(numbers.builds.day.resetsAt)}
            testid="usage-builds"
          />
          <Measure name="Projects" {...numbers.projects} testid="usage-projects" />
          <Measure
            name="Assets"
            used={numbers.assetBytes.used}
            limit={numbers.assetBytes.limit}
            note="All versions, those in the trash included."
            show={formatBytes}
            testid="usage-assets"
          />
          <li class="usage-row" data-testid="usage-build-bytes">
            <span class="usage-name">Builds</span>
            <span class="usage-number">{formatBytes(numbers.buildBytes.used)}</span>
            <span class="muted usage-note">{largest(numbers.buildBytes.projects)}</span>
          </li>
        </ul>
      )}
    </Section>
  );
};
