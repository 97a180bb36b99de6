import { fileURLToPath } from 'node:url';

/** The files of which packaged apps consist besides the game; children read them. */
export const templates = fileURLToPath(new URL('./templates/', import.meta.url));
