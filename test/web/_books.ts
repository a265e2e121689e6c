/** A bakery whose June was closed before its price turned out to be higher, and a thousand others. */
export const books = `
  select set_config('request.jwt.claims', '{"role": "admin", "sub": "seed"}', false);
  select saldo.create_customer('bakery', 'Toko Roti Melati');
  select saldo.create_customer(format('c%s', n), format('Warung %s', n))
  from generate_series(101, 160) as n;
  select saldo.install_meter(c.id, 'M-1', 'volume', '2025-01-01 00:00+07')
  from saldo.customer as c where c.code in ('bakery', 'c101');
  select saldo.add_deposit(c.id, 20000000 + n * 500000, '2025-06-02 09:00+07'::timestamptz
    + n * interval '1 month', 'Transfer BCA')
  from saldo.customer as c, generate_series(0, 4) as n where c.code in ('bakery', 'c101');
  select saldo.add_tariff_version(5000, '2025-06-01');
  select saldo.add_correction_factor('2025-06-01', 'gas_300k', 0.85, 25.01);
  select saldo.add_reading(m.id, '2025-06-30 12:00+07'::timestamptz + n * interval '1 month',
    volume => 1000 + 50 * n)
  from saldo.meter as m, generate_series(0, 4) as n;
  select saldo.close_period('2025-06-01');
  select saldo.change_tariff_version(
    (select id from saldo.tariff_version where removed_at is null), price => 5200);
  select saldo.open_account(code, code, type::saldo.account_type)
  from (values ('rent', 'expense'), ('owed', 'liability')) as a (code, type);
  select saldo.make_draft('{"description": "Rent of July", "occurred_at": "2025-07-02T12:00:00+07:00",
    "lines": [{"account_code": "rent", "debit": "450"}, {"account_code": "owed", "credit": "450"}]}');
`;
