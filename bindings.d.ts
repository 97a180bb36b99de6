/** Bindings that a deployment may add to those of wrangler.toml. */
interface Env {
  /** A PostgreSQL read replica for readers that need not see the latest second. */
  readonly HYPERDRIVE_REPLICA?: Hyperdrive;
}
