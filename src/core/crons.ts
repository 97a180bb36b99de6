/** The cron that starts backup and collection; every other one sweeps. Equals the one in wrangler.toml. */
export const dailyCron = '17 3 * * *';
