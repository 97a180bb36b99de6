/** Bytes. */
export const KiB = 1024;
export const MiB = 1024 * KiB;

/** Milliseconds. */
export const second = 1000;
export const minute = 60 * second;
export const day = 24 * 60 * minute;
