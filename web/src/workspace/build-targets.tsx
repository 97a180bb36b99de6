import { BuildTarget } from '../../../src/contract/builds.ts';
import { targetNames } from './build-words.ts';

const leads: Readonly<Record<BuildTarget, string>> = {
  web: 'A page that plays here and anywhere, and as a zip for itch.io and the like.',
  electron: 'An app for Electron to download; whole programs where the runner has Electron at hand.',
  cordova: 'A Cordova project to download, from which apps for phones are made.',
};

/** What the build is for: one of them, by arrow keys or pointer. */
export const BuildTargets = ({
  chosen,
  onChoose,
}: {
  chosen: BuildTarget;
  onChoose: (target: BuildTarget) => void;
}) => (
  <fieldset class="build-targets">
    <legend class="visually-hidden">What it is for</legend>
    <div class="build-target-row">
      {BuildTarget.options.map((target) => (
        <label key={target} class={target === chosen ? 'build-target chosen' : 'build-target'}>
          <input
            type="radio"
            name="build-target"
            class="visually-hidden"
            data-testid={`build-target-${target}`}
            aria-describedby="build-target-lead"
            checked={target === chosen}
            onChange={() => onChoose(target)}
          />
          {targetNames[target]}
        </label>
      ))}
    </div>
    <p class="muted" id="build-target-lead">
      {leads[chosen]}
    </p>
  </fieldset>
);
