/** Looking facts up: pages of them with filters, and one by its id. */
import type { DatabaseSync } from "node:sqlite";
import type { FactView, Standing } from "../api_types.ts";

/** What to look for; what is left out is not looked at. */
export interface Search {
  page: number;
  limit: number;
  type?: "IN" | "OUT" | undefined;
  kind?: "entry" | "void" | "count" | undefined;
  standing?: Standing | undefined;
  category?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  q?: string | undefined;
}

const receiptNo = `
  coalesce((select value ->> '$.branch.code' from setting where name = 'config'), 'TILL')
  || '-' || coalesce((select value from setting where name = 'device_no:' || chain.device), '0')
  || '-' || chain.epoch_no || '-' || fact.seq`;

const columns = `
  fact.id, ${receiptNo} as receipt_no, substr(fact.hash, 1, 8) as short_hash,
  fact.kind, fact.type, fact.category, fact.amount, fact.body ->> 'expected' as expected,
  fact.description, fact.cashier, fact.reason, fact.occurred_at as created_at, fact.business_date,
  fact.voids, voiding.id as voided_by, fact.corrects,
  (select correcting.id from fact as correcting where correcting.corrects = fact.id
    order by correcting.position desc limit 1) as corrected_by,
  fact_state.state as verdict, fact_state.reason as verdict_reason, fact_state.posting_date`;

const tables = `
  from fact
  join chain on chain.epoch = fact.epoch
  join fact_state on fact_state.position = fact.position
  left join fact as voiding on voiding.voids = fact.id`;

const standingCondition: Record<Standing, string> = {
  waiting: "fact_state.state = 'waiting'",
  sent: "fact_state.state <> 'waiting' and (fact_state.state in ('accepted', 'duplicate') or voiding.id is not null)",
  attention: "fact_state.state in ('conflict', 'quarantined', 'refused') and voiding.id is null",
};

type Found = Omit<FactView, "standing" | "is_synced">;

/** One page, newest first, and how many there are of all pages. */
export function findFacts(database: DatabaseSync, search: Search) {
  const { conditions, values } = conditionsOf(search);
  const where = conditions.length === 0 ? "" : `where ${conditions.join(" and ")}`;
  const { total } = database
    .prepare(`select count(*) as total ${tables} ${where}`)
    .get(values) as unknown as { total: number };
  const found = database
    .prepare(
      `select ${columns} ${tables} ${where} order by fact.position desc limit :limit offset :offset`,
    )
    .all({ ...values, limit: search.limit, offset: (search.page - 1) * search.limit });
  return { total, facts: (found as unknown as Found[]).map(view) };
}

/** The fact with this id. */
export function findFact(database: DatabaseSync, id: string): FactView | undefined {
  const found = database.prepare(`select ${columns} ${tables} where fact.id = ?`).get(id);
  return found === undefined ? undefined : view(found as unknown as Found);
}

function view(found: Found): FactView {
  const standing = standingOf(found);
  return { ...found, standing, is_synced: standing === "sent" };
}

/** What a verdict asks of whoever sells; trouble with a row that is voided is over. */
function standingOf({ verdict, voided_by }: Found): Standing {
  if (verdict === "waiting") return "waiting";
  const isGood = verdict === "accepted" || verdict === "duplicate" || voided_by !== null;
  return isGood ? "sent" : "attention";
}

function conditionsOf(search: Search) {
  const conditions: string[] = [];
  const values: Record<string, string | number> = {};
  const add = (condition: string, name?: string, value?: string | number) => {
    conditions.push(condition);
    if (name !== undefined && value !== undefined) values[name] = value;
  };
  if (search.type) add("fact.type = :type", "type", search.type);
  if (search.kind) add("fact.kind = :kind", "kind", search.kind);
  if (search.standing) add(standingCondition[search.standing]);
  if (search.category) add("fact.category = :category", "category", search.category);
  if (search.from) add("fact.business_date >= :from", "from", search.from);
  if (search.to) add("fact.business_date <= :to", "to", search.to);
  if (search.q) addWords(search.q, add);
  return { conditions, values };
}

/** A word is found in texts, at the start of an id or hash, and as a whole amount or number. */
function addWords(q: string, add: (condition: string, name: string, value: string) => void): void {
  const pattern = `%${q.replace(/[\\%_]/g, "\\$&")}%`;
  const plain = q.replace(/^rp\s*/i, "").replace(/[.\s]/g, "");
  add(
    `(fact.description like :pattern escape '\\' or fact.category like :pattern escape '\\'
      or fact.cashier like :pattern escape '\\' or substr(fact.id, 1, length(:word)) = lower(:word)
      or ${receiptNo} = upper(:word)
      or chain.epoch_no || '-' || fact.seq = :word or substr(fact.hash, 1, 8) = lower(:word)
      ${/^\d{1,15}$/.test(plain) ? `or fact.amount = ${plain}` : ""})`,
    "pattern",
    pattern,
  );
  add(":word <> ''", "word", q);
}
