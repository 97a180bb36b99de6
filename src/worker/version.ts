/** Released version; raised by a release, shown by /health. */
export const version = '0.1.0';
