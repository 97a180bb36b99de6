import { useId } from 'preact/hooks';

/** The kiln: an arch with a flame in it. */
export const Mark = ({ size = 28, glowing = false }: { size?: number; glowing?: boolean }) => {
  const id = useId();
  return (
    <svg class={glowing ? 'mark glowing' : 'mark'} width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <defs>
        <linearGradient id={id} x1="0" y1="0" x2="0" y2="1">
          <stop stop-color="#ffbe7d" />
          <stop offset="1" stop-color="#ea5a22" />
        </linearGradient>
      </defs>
      <path
        d="M5 28V15a11 11 0 0 1 22 0v13"
        fill="none"
        stroke={`url(#${id})`}
        stroke-width="3"
        stroke-linecap="round"
      />
      <path
        class="flame"
        d="M16 11.500c.7 3.600 4.900 5 4.900 9.700A4.900 4.900 0 0 1 16 26.200a4.900 4.900 0 0 1-4.900-5c0-2.300 1.200-3.500 2-5 .6 1.200 1 1.700 1.700 2 .3-2.300-.1-4.500 1.200-6.700z"
        fill={`url(#${id})`}
      />
    </svg>
  );
};

/** Nested arches with heat inside: the picture of the sign-in page and of empty places. */
export const Arches = ({ rings = 9, class: className = '' }: { rings?: number; class?: string }) => {
  const id = useId();
  const arches = Array.from({ length: rings }, (_, index) => {
    const inset = 14 + (index * 178) / rings;
    const radius = 200 - inset;
    const heat = index / (rings - 1);
    return { d: `M${inset} 420V${inset + radius}a${radius} ${radius} 0 0 1 ${2 * radius} 0V420`, heat };
  });
  return (
    <svg class={`arches ${className}`} viewBox="0 0 400 420" preserveAspectRatio="xMidYMax meet" aria-hidden="true">
      <defs>
        <radialGradient id={id} cx="50%" cy="84%" r="50%">
          <stop stop-color="#ffd9a8" />
          <stop offset=".18" stop-color="#ff9a4d" />
          <stop offset=".45" stop-color="#d9481a" stop-opacity=".75" />
          <stop offset="1" stop-color="#5a1d0e" stop-opacity="0" />
        </radialGradient>
      </defs>
      <path class="arches-fire" d="M60 420V200a140 140 0 0 1 280 0V420z" fill={`url(#${id})`} />
      {arches.map(({ d, heat }) => (
        <path
          key={d}
          d={d}
          fill="none"
          stroke={`rgb(${Math.round(58 + heat * 197)} ${Math.round(44 + heat * 122)} ${Math.round(38 + heat * 52)})`}
          stroke-opacity={0.35 + heat * 0.6}
          stroke-width={1.25 + heat * 1.25}
        />
      ))}
    </svg>
  );
};
