const paths = {
  plus: 'M8 3v10M3 8h10',
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.600 10.600 14 14',
  trash: 'M2.500 4.500h11M6 4.500v-2h4v2M4 4.500l.6 9h6.800l.6-9M6.700 7v4M9.300 7v4',
  file: 'M4 1.800h5L12.500 5.300V14.200H4zM9 1.800v3.500h3.500',
  chevron: 'M6 3.500 10.500 8 6 12.500',
  play: 'M4.500 2.800v10.400L13 8z',
  share:
    'M6 7.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM1.500 13.500c.3-2.600 2-4 4.500-4s4.200 1.400 4.500 4M12.500 5v5M10 7.500h5',
  download: 'M8 2v8M4.500 7 8 10.500 11.500 7M2.500 13.500h11',
  upload: 'M8 10V2M4.500 5.500 8 2l3.500 3.500M2.500 13.500h11',
  external: 'M9.500 2.500h4v4M13.500 2.500 8 8M11.500 9.500v4h-9v-9h4',
  reload: 'M13 8a5 5 0 1 1-1.500-3.600M13.200 1.800v3h-3',
  close: 'M3.500 3.500l9 9M12.500 3.500l-9 9',
  offline:
    'M2 2l12 12M5.200 5.200A3.600 3.600 0 0 0 4.500 12.500H12M8 4.200a3.600 3.600 0 0 1 3.900 3.100 2.700 2.700 0 0 1 1.900 3.800',
  eye: 'M1.500 8S4 3.500 8 3.500 14.500 8 14.500 8 12 12.500 8 12.500 1.500 8 1.500 8zM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4z',
  stop: 'M4 4h8v8H4z',
  link: 'M6.700 9.300a2.800 2.800 0 0 0 4 0l2.200-2.200a2.800 2.800 0 0 0-4-4l-1 1M9.300 6.700a2.800 2.800 0 0 0-4 0L3.100 8.900a2.800 2.800 0 0 0 4 4l1-1',
  mail: 'M1.800 3.500h12.400v9H1.800zM2 4l6 5 6-5',
  exit: 'M6.500 2.500h-4v11h4M10 5l3.500 3L10 11M13 8H6',
  person:
    'M8 8a2.800 2.800 0 1 0 0-5.600A2.800 2.800 0 0 0 8 8zM2.500 14c.4-2.800 2.500-4.200 5.500-4.200s5.100 1.400 5.500 4.200',
  panel: 'M1.800 2.800h12.400v10.400H1.800zM10 2.800v10.400',
  expand: 'M9.500 2.500h4v4M6.500 13.500h-4v-4M13.500 2.500 9 7M2.500 13.500 7 9',
  retry:
    'M2.500 8a5.500 5.500 0 0 1 9.600-3.600L13.500 6M13.500 2.500V6H10M13.500 8a5.500 5.500 0 0 1-9.600 3.600L2.500 10M2.500 13.500V10H6',
  sidebar: 'M1.800 2.800h12.400v10.400H1.800zM6 2.800v10.400',
  flame:
    'M8 1.800c.5 2.600 4 4 4 7.600a4 4 0 0 1-8 0c0-1.700.9-2.600 1.500-3.800.5.9.8 1.300 1.400 1.600.2-1.900 0-3.600 1.100-5.400z',
} as const;

export type IconName = keyof typeof paths;

/** A 16-unit line icon in the colour of the text. Decorative: the control around it carries the label. */
export const Icon = ({ name, size = 16, fill = false }: { name: IconName; size?: number; fill?: boolean }) => (
  <svg
    class="icon"
    width={size}
    height={size}
    viewBox="0 0 16 16"
    fill={fill ? 'currentColor' : 'none'}
    stroke="currentColor"
    stroke-width="1.4"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >
    <path d={paths[name]} />
  </svg>
);
