import { openTestDatabase } from "../_support/database.ts";

/** Books of four accounts with a transfer in each of twelve months. */
export async function openYear() {
  const database = await openTestDatabase(6);
  await database.pool.query(
    `select saldo.open_account('a' || g, 'A', (case g when 1 then 'asset' else 'liability' end)::saldo.account_type)
    from generate_series(1, 4) as g`,
  );
  await database.pool.query(
    `select saldo.transfer(1, 2 + g % 3, 10 + g,
      occurred_at => make_timestamptz(2025, g, 15, 12, 0, 0, 'Asia/Jakarta'))
    from generate_series(1, 12) as g`,
  );
  return database;
}
