import { openTestDatabase, type TestDatabase } from "../_support/database.ts";

export interface Alert {
  id: string;
  condition: string;
  key: string;
  severity: string;
  title: string;
  text: string;
  detail: Record<string, unknown>;
  resolved_at: Date | null;
  occurrence_count: number;
  acknowledged_by: string | null;
}

export interface Message {
  id: string;
  alert_id: string;
  channel: string;
  event: string;
  attempt_count: number;
  last_status: number | null;
  last_error: string | null;
  delivered_at: Date | null;
  failed_at: Date | null;
}

/** A database that has been checked, with a worker just seen: nothing to alert of. */
export interface Watched extends TestDatabase {
  query<Row = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  /** What the evaluation did, as opened, reminded, resolved and open. */
  evaluate(): Promise<number[]>;
  alerts(): Promise<Alert[]>;
  messages(): Promise<Message[]>;
}

export async function openWatched(channels = "webhook"): Promise<Watched> {
  const database = await openTestDatabase(6);
  const query = async <Row>(text: string, values?: unknown[]) =>
    (await database.pool.query(text, values)).rows as Row[];
  await query("select saldo.set_setting('alert_channels', $1)", [channels]);
  await query("select saldo.open_account('a' || g, 'A', 'asset') from generate_series(1, 3) g");
  await query("select saldo.transfer(1, 2, 100)");
  await query("select saldo.check_balance_health()");
  await query("select saldo_private.record_worker_seen()");
  // So that no machine is slow enough to make one that tests do not plant.
  await query("select saldo.set_setting('worker_silent_seconds', '3600')");
  return {
    ...database,
    query: query as Watched["query"],
    async evaluate() {
      const [row] = await query<Record<string, number>>("select * from saldo.evaluate_alerts()");
      return ["opened", "reminded", "resolved", "open"].map((name) => row?.[`${name}_count`] ?? -1);
    },
    alerts: () => query<Alert>("select * from saldo.alert order by id"),
    messages: () => query<Message>("select * from saldo.alert_delivery order by id"),
  };
}

/** Planted by a superuser past every trigger: the total of an account is 1 too large. */
export const drift = `do $$ begin
  set local session_replication_role = replica;
  update saldo.account set debit_total = debit_total + 1 where id = 2;
end $$`;

/** A branch with a till. */
export const till = `insert into saldo.branch_device (id, branch_id, device_no, name, program)
  select gen_random_uuid(), id, 1, 'till', 'test' from saldo.create_branch('A', 'A')`;
