export * from './api.ts';
export * from './builds.ts';
export * from './document.ts';
export { errorFromClose, isFinal, isFinalClose, KilnApiError } from './errors.ts';
export * from './room.ts';
