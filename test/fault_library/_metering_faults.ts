import type { PoolClient } from "pg";

/** Books of the metering room, and what the rules find when they are tampered with. */

/** A customer with a deposit that was changed, and three readings, one of them rated twice. */
export const meteringBooks = `
  do $$
  declare
    v_deposit saldo.deposit;
  begin
    perform saldo.create_customer('c', 'C');
    v_deposit := saldo.add_deposit(1, 1000, idempotency_key => 'deposit');
    perform saldo.change_deposit(v_deposit.id, 900);
    perform saldo.install_meter(1, 'meter', installed_at => '2025-01-01');
    perform saldo.add_correction_factor('2025-01-01', 'fixed', factor => 2, customer_id => 1);
    perform saldo.add_tariff_version(10, '2025-01-01', customer_id => 1);
    perform saldo.add_reading(1, '2025-02-10', 10, idempotency_key => 'reading');
    perform saldo.add_reading(1, '2025-03-10', 30);
    perform saldo.add_reading(1, '2025-04-10', 60);
    perform saldo.add_tariff_version(11, '2025-04-01', customer_id => 1);
  end
  $$`;

const sql = (text: string) => (client: PoolClient) => client.query(text);

export const meteringFaults = [
  {
    name: "a rated line of another amount",
    rules: ["rated_line", "rating_entry"],
    plant: sql("update saldo.rated_line set amount = 401 where amount = 400"),
  },
  {
    name: "a rated line that says it changed something else",
    rules: ["rated_line", "rating_entry"],
    plant: sql("update saldo.rated_line set amount_change = 1 where amount_change = 400"),
  },
  {
    name: "a price that was edited",
    rules: ["rated_line"],
    plant: sql("update saldo.tariff_version set price = 12 where price = 11"),
  },
  {
    name: "a price that is gone, though lines use it",
    rules: ["rated_line", "reading_rated"],
    plant: sql("delete from saldo.tariff_version where price = 11"),
  },
  {
    name: "a factor that was edited",
    rules: ["rated_line"],
    plant: sql("update saldo.correction_factor_version set factor = 3"),
  },
  {
    name: "a price that came without a rating",
    rules: ["reading_rated"],
    plant: sql(`insert into saldo.tariff_version
      (account_id, currency, price, effective_from, recorded_by)
      select account_id, currency, 20, '2025-03-01', 'x' from saldo.tariff_version limit 1`),
  },
  {
    name: "a reading that was edited",
    rules: ["rated_line"],
    plant: sql("update saldo.reading set index_value = 31 where index_value = 30"),
  },
  {
    name: "a reading that is gone",
    rules: ["idempotency", "rated_line", "reading_rated"],
    plant: sql("delete from saldo.reading where index_value = 10"),
  },
  {
    name: "a rated line that is gone",
    rules: ["customer_month_total", "rating_entry", "reading_rated"],
    plant: sql("delete from saldo.rated_line where amount = 400"),
  },
  {
    name: "a revision that is gone",
    rules: ["customer_month_total", "rated_line"],
    plant: sql("delete from saldo.rated_line where superseded_at is not null"),
  },
  {
    name: "a rating entry of another amount",
    rules: ["account_balance", "customer_month_total", "month_movement", "rating_entry"],
    plant: sql(`update saldo.journal_line set debit = debit * 2, credit = credit * 2
      where entry_id = (select entry_id from saldo.rated_line where amount = 400)`),
  },
  {
    name: "a forced month of a customer",
    rules: ["customer_month_total"],
    plant: sql("update saldo.customer_month_total set purchases = purchases + 1"),
  },
  {
    name: "a month of a customer that is gone",
    rules: ["customer_month_total"],
    plant: sql("delete from saldo.customer_month_total where volume_sm3 > 0"),
  },
  {
    name: "a deposit of another amount",
    rules: ["deposit_entry"],
    plant: sql("update saldo.deposit set amount = 901 where amount = 900"),
  },
  {
    name: "a deposit that is gone",
    rules: ["deposit_entry"],
    plant: sql("delete from saldo.deposit where amount = 900"),
  },
  {
    name: "a superseded deposit that says it stands",
    rules: ["deposit_entry"],
    plant: sql(`update saldo.deposit set status = 'current', reversal_entry_id = null,
      ended_at = null, ended_by = null where amount = 1000`),
  },
  {
    name: "a re-rating that stands still",
    rules: ["rerating"],
    plant: sql(`insert into saldo.rerating (operation, from_date, reading_count, created_at,
      created_by) values ('x', '2025-01-01', 3, now() - interval '16 minutes', 'x')`),
  },
  {
    name: "a re-rating that failed, whose readings are rated by a price that is gone",
    rules: ["rated_line", "reading_rated", "rerating"],
    plant: sql(`update saldo.tariff_version set removed_at = now(), removed_by = 'x'
        where price = 11;
      insert into saldo.rerating (operation, from_date, reading_count, status, finished_at, error,
        created_by) values ('x', '2025-01-01', 3, 'failed', now(), 'x', 'x')`),
  },
];
