import type { Room } from "./_library.ts";

/** Of deposits, readings, prices, rated lines and customers' months. */
export const meteringRoom: Room = {
  room: "metering",
  books: `
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
    perform saldo.add_tariff_part('standing_month', 'fee', 5, '2025-01-01', customer_id => 1);
    perform saldo.charge_customers('2025-04-01');
  end
  $$`,
  faults: [
    {
      fault: "a rated line of another amount",
      plant: "update saldo.rated_line set amount = 401 where amount = 400",
      rules: ["rated_line", "rating_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a rated line of another volume",
      plant: "update saldo.rated_line set volume_sm3 = volume_sm3 + 1 where amount = 400",
      rules: ["rated_line", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a rated line of another price",
      plant: "update saldo.rated_line set price = 12 where amount = 400",
      rules: ["rated_line", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a rated line of another month",
      plant: "update saldo.rated_line set month = '2025-01-01' where amount = 400",
      rules: ["rated_line", "customer_month_total", "rating_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a rated line that says it changed something else",
      plant: "update saldo.rated_line set amount_change = 1 where amount_change = 400",
      rules: ["rating_entry", "rated_line", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a rated line that says it is superseded",
      plant: "update saldo.rated_line set superseded_at = now() where amount = 400",
      rules: ["reading_rated", "rated_line", "rating_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a rated line that says it was divided",
      plant: "update saldo.rated_line set parts = '{}' where amount = 400",
      rules: ["rated_line", "rated_part", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a charge of another amount",
      plant: "update saldo.customer_charge set amount = 6 where amount = 5",
      rules: ["customer_charge"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a price that was edited",
      plant: "update saldo.tariff_version set price = 12 where price = 11",
      rules: ["rated_line"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a price of another day",
      plant: `update saldo.tariff_version set effective_from = '2025-05-01' where price = 11`,
      rules: ["rated_line", "reading_rated"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a price that is gone, though lines use it",
      plant: "delete from saldo.tariff_version where price = 11",
      rules: ["rated_line", "reading_rated"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a factor that was edited",
      plant: "update saldo.correction_factor_version set factor = 3",
      rules: ["rated_line"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a factor that was removed past the engine",
      plant: `update saldo.correction_factor_version set removed_at = now(), removed_by = 'x'`,
      rules: ["rated_line"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a price that came without a rating",
      plant: `insert into saldo.tariff_version (account_id, currency, price, effective_from, recorded_by)
          select account_id, currency, 20, '2025-03-01', 'x' from saldo.tariff_version limit 1`,
      rules: ["reading_rated"],
      cause: "unapplied_item possible",
      outcome: "reported",
    },
    {
      fault: "a reading that was edited",
      plant: "update saldo.reading set index_value = 31 where index_value = 30",
      rules: ["rated_line", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a reading that is gone",
      plant: "delete from saldo.reading where index_value = 10",
      rules: ["reading_rated", "idempotency", "rated_line", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a meter that began elsewhere",
      plant: "update saldo.meter set start_index = 1",
      rules: ["rated_line"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a rated line that is gone",
      plant: "delete from saldo.rated_line where amount = 400",
      rules: ["rating_entry", "customer_month_total", "reading_rated", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a revision that is gone",
      plant: "delete from saldo.rated_line where superseded_at is not null",
      rules: ["rated_line", "customer_month_total", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a rating entry of another amount",
      plant: `update saldo.journal_line set debit = debit * 2, credit = credit * 2
          where entry_id = (select entry_id from saldo.rated_line where amount = 400)`,
      rules: ["rating_entry", "account_balance", "customer_month_total", "month_movement"],
      cause: "journal_changed likely, journal_changed possible",
      outcome: "frozen",
    },
    {
      fault: "a forced month of a customer",
      plant: "update saldo.customer_month_total set purchases = purchases + 1",
      rules: ["customer_month_total"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a forced month of a customer that nobody recorded",
      plant: `update saldo.customer_month_total set purchases = purchases + 1
          where volume_sm3 > 0`,
      unseen: true,
      rules: ["customer_month_total"],
      cause: "cache_forced likely",
      outcome: "healed",
    },
    {
      fault: "a month of a customer that is gone",
      plant: "delete from saldo.customer_month_total where volume_sm3 > 0",
      rules: ["customer_month_total"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a month of a customer that was moved",
      plant: `update saldo.customer_month_total set month = '2001-01-01' where month = '2025-03-01'`,
      rules: ["customer_month_total"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a volume of a customer's month",
      plant: `update saldo.customer_month_total set volume_sm3 = volume_sm3 + 1 where month = '2025-03-01'`,
      rules: ["customer_month_total"],
      cause: "out_of_band_write possible",
      outcome: "healed",
    },
    {
      fault: "a deposit of another amount",
      plant: "update saldo.deposit set amount = 901 where amount = 900",
      rules: ["deposit_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a deposit that is gone",
      plant: "delete from saldo.deposit where amount = 900",
      rules: ["deposit_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a superseded deposit that says it stands",
      plant: `update saldo.deposit set status = 'current', reversal_entry_id = null, ended_at = null,
          ended_by = null where amount = 1000`,
      rules: ["deposit_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a deposit that names another entry",
      plant: `update saldo.deposit set entry_id = (select result_id from saldo_private.idempotency_record where key = 'first') where amount = 900`,
      rules: ["deposit_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a reading that is noted as one without a price, and has one",
      plant: `insert into saldo_private.unrated_reading (account_id, reading_id, read_on)
          select account_id, id, read_on from saldo.reading where index_value = 30`,
      rules: ["reading_rated", "reading_unrated"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a re-rating that stands still",
      plant: `insert into saldo.rerating (operation, from_date, reading_count, created_at, created_by)
          values ('x', '2025-01-01', 3, now() - interval '16 minutes', 'x')`,
      rules: ["rerating"],
      cause: "work_stopped likely",
      outcome: "reported",
    },
    {
      fault: "a re-rating that failed, whose readings are rated by a price that is gone",
      plant: `update saldo.tariff_version set removed_at = now(), removed_by = 'x' where price = 11;
        insert into saldo.rerating (operation, from_date, reading_count, status, finished_at, error,
          created_by) values ('x', '2025-01-01', 3, 'failed', now(), 'x', 'x')`,
      rules: ["rerating", "rated_line", "reading_rated"],
      cause: "work_stopped likely",
      outcome: "reported",
    },
  ],
};
