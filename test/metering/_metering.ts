import { openWallet, type Row, type Wallet } from "../wallet/_wallet.ts";

export { outcomes, type Row } from "../wallet/_wallet.ts";

/** A customer with one meter, as tests need them. */
export interface Site {
  customer: Row & { id: string; account_id: string };
  meter: Row & { id: string };
}

/** The metering room of one test database, spoken to through its public functions. */
export interface Metering extends Omit<Wallet, "member" | "product" | "buy" | "balance" | "call"> {
  /** Calls saldo.<name> as an administrator; the one row. */
  call: (name: string, args: Row) => Promise<Row>;
  /** A new customer with a meter installed on 1 January 2025. */
  site: (meter?: Row) => Promise<Site>;
  /** Records a reading: an index, or the volume of a flow meter. */
  read: (site: Site, at: string, value: number | string, extra?: Row) => Promise<Row>;
  balance: (site: Site) => Promise<string>;
  /** Months of a customer, figures as text. */
  months: (site: Site, from: string, to: string, basis?: string) => Promise<Row[]>;
  adjustments: (site: Site, month: string) => Promise<Row[]>;
  /** Current lines of the customer, oldest reading first. */
  lines: (site: Site) => Promise<Row[]>;
  /** Closes the books up to a day, null = opens them. */
  closeThrough: (day: string | null) => Promise<void>;
  /** Everything that the room has written, as one digest. */
  digest: () => Promise<unknown>;
}

const monthText = `to_char(m.month, 'YYYY-MM') as month, trim_scale(m.opening_balance) as opening,
  trim_scale(m.deposits) as deposits, trim_scale(m.purchases) as purchases,
  trim_scale(m.deposit_adjustments) as deposit_adjustments,
  trim_scale(m.purchase_adjustments) as purchase_adjustments, trim_scale(m.others) as others,
  trim_scale(m.closing_balance) as closing, trim_scale(m.volume_sm3) as volume_sm3`;

/** Opens a fresh database with the schema and gives its metering room. */
export async function openMetering(): Promise<Metering> {
  const wallet = await openWallet();
  const { root } = wallet;
  const call = (name: string, args: Row) => wallet.call("admin", name, args);
  let created = 0;
  return {
    ...wallet,
    call,
    site: async (extra = {}) => {
      const code = `c${++created}`;
      const customer = await call("create_customer", { code, name: `Customer ${code}` });
      const meter = await call("install_meter", {
        customer_id: customer.id,
        code: `meter ${code}`,
        installed_at: "2025-01-01T00:00:00+07",
        ...extra,
      });
      return { customer, meter } as Site;
    },
    read: (site, at, value, extra = {}) =>
      call("add_reading", {
        meter_id: site.meter.id,
        read_at: at.includes("T") ? at : `${at}T12:00:00+07`,
        [site.meter.kind === "index" ? "index_value" : "volume"]: value,
        ...extra,
      }),
    balance: async (site) => {
      const [row] = await root(
        "select trim_scale(balance)::text as balance from saldo.account where id = $1",
        [site.customer.account_id],
      );
      return String(row?.balance);
    },
    months: (site, from, to, basis = "reported") =>
      wallet.query(
        "operator",
        `select ${monthText} from saldo.customer_month($1, $2, $3, $4) as m`,
        [site.customer.id, `${from}-01`, `${to}-01`, basis],
      ),
    adjustments: (site, month) =>
      wallet.query(
        "operator",
        `select to_char(a.origin_month, 'YYYY-MM') as origin_month, a.kind, a.description,
          trim_scale(a.amount) as amount, trim_scale(a.volume_sm3) as volume_sm3
        from saldo.customer_adjustments($1, $2) as a`,
        [site.customer.id, `${month}-01`],
      ),
    lines: (site) =>
      root(
        `select trim_scale(l.volume_m3) as volume_m3, l.factor, l.volume_sm3,
          trim_scale(l.price) as price, trim_scale(l.amount) as amount, l.revision,
          l.is_provisional, l.is_withdrawn
        from saldo.rated_line as l
        where l.account_id = $1 and l.superseded_at is null
        order by l.read_at, l.id`,
        [site.customer.account_id],
      ),
    closeThrough: async (day) => {
      await root("update saldo_private.book_state set closed_through = $1", [day]);
    },
    digest: async () => {
      const [row] = await root(`select
        (select md5(string_agg(t::text, '|' order by id)) from saldo.journal_entry as t) as entries,
        (select md5(string_agg(t::text, '|' order by id)) from saldo.rated_line as t) as lines,
        (select md5(string_agg(t::text, '|' order by id)) from saldo.reading as t) as readings,
        (select md5(string_agg(t::text, '|' order by id)) from saldo.deposit as t) as deposits,
        (select md5(string_agg(t::text, '|' order by id)) from saldo.meter as t) as meters,
        (select md5(string_agg(t::text, '|' order by id)) from saldo.tariff_version as t)
          as tariffs,
        (select md5(string_agg(t::text, '|' order by id))
          from saldo.correction_factor_version as t) as factors,
        (select md5(string_agg(t::text, '|' order by scope, key))
          from saldo_private.idempotency_record as t) as keys`);
      return row;
    },
  };
}
