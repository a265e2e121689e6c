import { type ClientBase, Pool, type PoolClient } from "pg";

/** How a transaction of withRole runs. */
export interface RoleTransaction {
  /** Settings for this transaction only: the role first of all, then timeouts, the subject, ... */
  readonly settings: { readonly role: string } & Readonly<Record<string, string>>;
  /** What follows `begin`, as `read only`. */
  readonly mode?: "read only" | "read write" | "isolation level repeatable read read only";
}

/**
 * Works in one transaction under a role: the one place where Saldo takes a role. It commits when
 * the work is done and rolls back when that fails; the settings end with the transaction. A pool
 * lends a connection for it, and does not get one back whose transaction may still be open.
 */
export async function withRole<Result>(
  source: Pool | ClientBase,
  { settings, mode }: RoleTransaction,
  work: (client: ClientBase) => Promise<Result>,
): Promise<Result> {
  const borrowed: PoolClient | undefined =
    source instanceof Pool ? await source.connect() : undefined;
  const client = borrowed ?? (source as ClientBase);
  let isUsable = true;
  try {
    await client.query(mode === undefined ? "begin" : `begin ${mode}`);
    await client.query(
      "select set_config(each.key, each.value, true) from json_each_text($1) as each",
      [JSON.stringify(settings)],
    );
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    isUsable = await client.query("rollback").then(
      () => true,
      () => false, // the connection is gone, and its transaction with it
    );
    throw error;
  } finally {
    borrowed?.release(!isUsable);
  }
}
