import type { ConfigurationFault } from "./_configuration_faults.ts";

const changed = { cause: "engine_changed" } as const;

/** Of types and operators, and what may be added to a table on purpose. */
export const typeFaults: ConfigurationFault[] = [
  {
    name: "an operator that fits the engine's values better than PostgreSQL's own",
    plant: `create function public.same(saldo.entry_side, saldo.entry_side) returns boolean
        language sql as 'select true';
      create operator saldo.=== (
        leftarg = saldo.entry_side, rightarg = saldo.entry_side, function = public.same
      )`,
    key: /^operator ===\(entry_side,entry_side\)$/,
    tells: /was added past the engine: owner \w+, public\.same/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "a function among PostgreSQL's own",
    plant: `create function pg_catalog.abs(saldo.amount) returns numeric
      language sql as 'select 0::numeric'`,
    key: /^function pg_catalog\.abs\(amount\)$/,
    tells: /was added past the engine/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "a cast of one of our types",
    plant: "create cast (saldo.entry_side as text) with inout as implicit",
    key: /^cast entry_side to text$/,
    tells: /was added past the engine: always, by text/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "a label of an enum more",
    plant: "alter type saldo.sub_balance_status add value 'LOST'",
    key: /^enum sub_balance_status$/,
    tells: /It is: PENDING, SETTLED, LOST\. It was built as: PENDING, SETTLED\./,
    ...changed,
  },
  {
    name: "a field of a type more",
    plant: "alter type saldo.wallet_balance add attribute bonus numeric",
    key: /^type wallet_balance$/,
    tells: /It is: .*bonus numeric\. It was built as: /,
    ...changed,
  },
  {
    name: "an aggregate that stands beside ours",
    plant: "create aggregate saldo.sum(saldo.amount) (sfunc = numeric_add, stype = numeric)",
    key: /^aggregate sum\(amount\)$/,
    tells: /was added past the engine: owner \w+, step numeric_add/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "an operator class that becomes the default of one of our types",
    plant: `create operator class saldo.side_ops default for type saldo.entry_side using hash
      as operator 1 pg_catalog.= (anyenum, anyenum), function 1 hashenum(anyenum)`,
    key: /^operator class side_ops for entry_side by hash$/,
    tells: /was added past the engine: owner \w+, side_ops, default/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "a unique index of somebody's own",
    plant: "create unique index mine on saldo.journal_line (entry_id, line_no, account_id)",
    key: /^unique index mine$/,
    tells: /was added past the engine: CREATE UNIQUE INDEX mine/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "a check of somebody's own",
    plant: "alter table saldo.member add constraint mine check (code <> '')",
    key: /^constraint mine on member$/,
    tells: /was added past the engine: CHECK/,
    ...changed,
    isAcceptable: true,
  },
];
