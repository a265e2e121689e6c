/** The proposals of `saldo adopt` as SQL: what fits as statements, what does not as a remark. */
import { escapeLiteral } from "pg";
import { isFit, leastFit, type Pair, type Proposal, type Trial } from "./propose_rules.ts";

/** The proposals as SQL to review: what fits as statements, what does not as a remark. */
export function sqlOf(proposals: readonly Proposal[]): string {
  const names = new Set<string>();
  const parts = [
    "-- Proposed by saldo adopt. Nothing has been changed: review it, then run it as the owner of\n" +
      "-- the tables (the grants) and as an administrator of Saldo (the rules). Tables that this\n" +
      "-- login may not read were left out.\n",
    ...proposals.filter(isFit).map((proposal) => statementsOf(proposal, nameOf(proposal, names))),
    ...proposals.filter((proposal) => !isFit(proposal)).map(remarkOf),
  ];
  if (proposals.length === 0) {
    parts.push("-- No column looks like a balance that another table's rows make.\n");
  }
  return parts.join("\n");
}

/** What was tried for a balance that no sum explains, and how far each goes. */
function remarkOf({ pair, rowCount, fitCount, trials }: Proposal): string {
  const lines = [...trials]
    .sort((one, other) => other.fitCount - one.fitCount)
    .slice(0, 8)
    .map((trial) => `--   ${sumOf(trial)}: ${trial.fitCount} of ${trial.rowCount} rows\n`);
  return (
    `-- ${pair.table}.${pair.balance}: no simple sum of ${pair.child} fits ` +
    `(at best ${fitCount} of ${rowCount} rows; ${leastFit * 100} % are needed). ` +
    `Write its rule by hand, if it is a balance. Tried:\n${lines.join("")}`
  );
}

/** A sum in a line. */
export function sumOf({ pair, way }: Trial): string {
  const conditions = [way.condition, way.owners && `${pair.table} where ${way.owners}`];
  const [counted, owners] = conditions;
  return (
    `sum(${way.amount}) of ${pair.child}` +
    `${counted ? ` where ${counted}` : ""}${owners ? `, for ${owners}` : ""}`
  );
}

/** A name that a rule may have, and that none of the names before is. */
export function nameOf({ pair }: Proposal, names: Set<string>): string {
  const words = `${pair.table_name}_${pair.balance_name}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^[^a-z]+/, "")
    .slice(0, 36);
  let name = words || "balance";
  for (let number = 2; names.has(name); number += 1) name = `${words || "balance"}_${number}`;
  names.add(name);
  return name;
}

/** What a rule is registered with. */
export interface Registration {
  name: string;
  stored_table?: string;
  key_column?: string;
  balance_column?: string;
  stored?: string;
  derived: string;
  items: string;
  guard?: "record";
}

/** What registers the rule of a proposal. */
export function registrationOf({ pair, way }: Proposal, name: string): Registration {
  // Rows that belong to nobody have no key.
  const ownedRows = way.owners
    ? `${pair.child_key} in (select ${pair.key} from ${pair.table} where ${way.owners})`
    : `${pair.child_key} is not null`;
  const conditions = [ownedRows, ...(way.condition ? [way.condition] : [])];
  const where = `\n    where ${conditions.join("\n      and ")}`;
  const derived = `
    select ${pair.child_key} as key, sum(${way.amount}) as derived
    from ${pair.child}${where}
    group by ${pair.child_key}
  `;
  const named = (value: string, name: string) => (value === name ? name : `${value} as ${name}`);
  const columns = [
    `${pair.child_key} as key`,
    named(pair.child_id ?? "row_number() over ()", "item"),
    named(way.amount, "amount"),
    `${way.condition ? `coalesce(${way.condition}, false)` : "true"} as is_counted`,
    ...(pair.status ? [named(pair.status, "status")] : []),
    ...(pair.reference ? [named(pair.reference, "reference")] : []),
    ...(pair.time ? [named(pair.time, "occurred_at")] : []),
  ];
  const items = `
    select ${columns.join(",\n      ")}
    from ${pair.child}
    where ${ownedRows}
  `;
  if (way.owners) {
    const stored = ` select ${pair.key} as key, ${pair.balance} as stored from ${pair.table} where ${way.owners} `;
    return { name, stored, derived, items };
  }
  const { table: stored_table, key_name: key_column, balance_name: balance_column } = pair;
  return { name, stored_table, key_column, balance_column, derived, items, guard: "record" };
}

/** What the tables' owner grants so that a rule may read them. */
export function grantsOf({ schema, child_schema, table, child }: Pair): string {
  const schemas = [...new Set([schema, child_schema])].join(", ");
  return `grant usage on schema ${schemas} to saldo_rule_reader, saldo_owner;
grant select on ${[...new Set([table, child])].join(", ")} to saldo_rule_reader;`;
}

/** What there is to know of a proposal, and the statements that make it a rule. */
export function statementsOf(proposal: Proposal, name: string): string {
  const { pair, way, rowCount, fitCount, allCount } = proposal;
  const { name: _, guard, ...parts } = registrationOf(proposal, name);
  const quoted = (query: string) => (query.includes("$$") ? escapeLiteral(query) : `$$${query}$$`);
  const isQuery = (part: string) => ["stored", "derived", "items"].includes(part);
  const lines = Object.entries(parts).map(
    ([part, text]) => `${part} => ${isQuery(part) ? quoted(text) : escapeLiteral(text)}`,
  );
  if (guard !== undefined) lines.push(`guard => '${guard}'`);
  return `-- ${pair.table}.${pair.balance}: the sum fits ${fitCount} of ${rowCount} rows${
    way.owners ? `\n-- where ${way.owners}; ${allCount - rowCount} others it does not look at` : ""
  }.
${grantsOf(pair)}
${way.owners ? remarkOnPart : remarkOnWhole(pair)}
select name, guard from saldo.register_balance_rule(
  name => ${escapeLiteral(name)},
  ${lines.join(",\n  ")}
);
`;
}

const remarkOnPart = `-- It is for some rows of the table only: it is checked and explained. A guard, and a heal that
-- sets the column, are for rules over a whole table.`;

const remarkOnWhole = (
  pair: Pair,
) => `grant trigger on ${pair.table} to saldo_owner; -- for the guard
-- To let Saldo heal it: grant update (${pair.balance}) on ${pair.table} to saldo_rule_reader;
-- and add heal => 'update' below. It heals once a person has approved what a check finds:
-- npx saldo rules list, then rules approve.`;
