// `npm run build:web`: the workspace and Swagger UI as the Worker serves them, when their sources changed.
import { ensureWeb } from './lib/setup.ts';

await ensureWeb();
