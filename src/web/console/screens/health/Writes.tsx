/** Writes past the engine, as the guard recorded them: who, from where, what, old and new. */
import { Moment } from "../../parts/figures.tsx";
import { Facts } from "../../parts/table.tsx";
import { valueText } from "../../parts/values.tsx";
import { useHealthWords } from "./words.ts";

/** A recorded write, whether it came from GraphQL or within a finding's evidence. */
export interface Write {
  readonly id: string;
  readonly occurredAt: string;
  readonly login: string;
  readonly role: string;
  readonly applicationName: string;
  readonly clientAddress: string | null;
  readonly operation: string;
  readonly tableName: string;
  readonly statement: string | null;
  readonly oldRow: unknown;
  readonly newRow: unknown;
  readonly transactionId: string;
}

/** The writes of a finding's evidence, or null where its evidence is something else. */
export function writesOf(evidence: unknown): Write[] | null {
  if (!Array.isArray(evidence) || evidence.length === 0) return null;
  const writes = evidence.map((each): Write | null => {
    if (typeof each !== "object" || each === null || !("table_name" in each)) return null;
    const event = each as { [name: string]: unknown };
    const text = (name: string) => valueText(event[name]);
    const textOrNull = (name: string) => (event[name] === null ? null : text(name));
    return {
      id: text("id"),
      occurredAt: text("occurred_at"),
      login: text("login"),
      role: text("role"),
      applicationName: text("application_name"),
      clientAddress: textOrNull("client_address"),
      operation: text("operation"),
      tableName: text("table_name"),
      statement: textOrNull("statement"),
      oldRow: event["old_row"],
      newRow: event["new_row"],
      transactionId: text("transaction_id"),
    };
  });
  return writes.every((each) => each !== null) ? writes : null;
}

type Row = { readonly [column: string]: unknown };
const rowOf = (value: unknown): Row | null =>
  typeof value === "object" && value !== null ? (value as Row) : null;

/** What the database computes itself when a row is written is in no new row yet. */
const computed = new Set(["version", "balance"]);

/** Columns that are not the same before and after; of a row that came or went all of them. */
function changesOf({ oldRow, newRow }: Write): [column: string, before: string, after: string][] {
  const before = rowOf(oldRow);
  const after = rowOf(newRow);
  return Object.keys({ ...before, ...after })
    .filter((column) => !(before && after && computed.has(column)))
    .map((column): [string, string, string] => [
      column,
      valueText(before?.[column]),
      valueText(after?.[column]),
    ])
    .filter(([, was, is]) => was !== is);
}

/** Each write with all that is known of it. */
export function Writes({ writes }: { writes: readonly Write[] }) {
  return (
    <ol className="flex flex-col gap-3">
      {writes.map((write) => (
        <li key={write.id} className="rounded-lg border border-line bg-card p-3">
          <OneWrite write={write} />
        </li>
      ))}
    </ol>
  );
}

const operations = ["insert", "update", "delete", "truncate"] as const;

function OneWrite({ write }: { write: Write }) {
  const words = useHealthWords();
  const operation = operations.find((each) => each === write.operation);
  return (
    <>
      <Facts
        facts={[
          [words("when"), <Moment key="when" at={write.occurredAt} />],
          [words("who"), `${write.login}, ${words("role", { role: write.role })}`],
          [
            words("from"),
            [write.clientAddress ?? words("localSocket"), write.applicationName]
              .filter(Boolean)
              .join(", "),
          ],
          [
            words("what"),
            operation ? words(operation, { table: write.tableName }) : write.operation,
          ],
          [words("changed"), <Changes key="changed" write={write} />],
        ]}
      />
      <p className="mt-2 text-sm text-soft">{words("statement")}</p>
      <pre className="rounded bg-ground p-2 text-sm break-words whitespace-pre-wrap">
        {write.statement ?? words("noStatement")}
      </pre>
      <p className="mt-1 text-sm text-soft">{words("transaction", { id: write.transactionId })}</p>
    </>
  );
}

function Changes({ write }: { write: Write }) {
  const words = useHealthWords();
  const changes = changesOf(write);
  if (changes.length === 0) return <span className="text-soft">{words("nothing")}</span>;
  return (
    <ul>
      {changes.map(([column, before, after]) => (
        <li key={column} className="figures">
          <span className="text-soft">{column.replaceAll("_", " ")}</span> {before} → {after}
        </li>
      ))}
    </ul>
  );
}
