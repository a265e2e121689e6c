/** What a plan would change, month by month: the figures that are not the same. */
import { Badge } from "../../../shared/ui.tsx";
import { Month } from "../../parts/figures.tsx";
import { Go } from "../../parts/page.tsx";
import { type Column, Table } from "../../parts/table.tsx";
import type { MonthChangeFragment as Change } from "./stored.documents.ts";
import { useStoredWords } from "./stored_words.ts";

const SHOWN_MAX = 200;

export function ChangeTable({ changes }: { changes: readonly Change[] }) {
  const words = useStoredWords();
  const columns: Column<Change>[] = [
    {
      title: words("customerColumn"),
      cell: ({ customerId, month }) => (
        <Go
          to={`/customers/${customerId}`}
          search={{ tab: "bill", month: String(month).slice(0, 7) }}
        >
          {customerId}
        </Go>
      ),
    },
    { title: words("month"), cell: ({ month }) => <Month day={month} /> },
    {
      title: words("action"),
      cell: ({ action }) => <Badge tone="bad">{words(action ?? "differs")}</Badge>,
    },
    { title: words("figures"), cell: (change) => <Figures change={change} /> },
  ];
  return (
    <>
      <Table
        caption={words("figures")}
        columns={columns}
        rows={changes.slice(0, SHOWN_MAX)}
        keyOf={({ accountId, month }) => `${accountId} ${month}`}
        empty={words("nothing")}
      />
      {changes.length > SHOWN_MAX && (
        <p className="text-soft">{words("more", { count: changes.length - SHOWN_MAX })}</p>
      )}
    </>
  );
}

type Values = { readonly [name: string]: unknown };

/** Each figure that differs, before and after. */
function Figures({ change }: { change: Change }) {
  const stored = (change.stored ?? {}) as Values;
  const derived = (change.derived ?? {}) as Values;
  const names = [...new Set([...Object.keys(stored), ...Object.keys(derived)])];
  const text = (value: unknown) => (value === undefined || value === null ? "–" : String(value));
  return (
    <ul className="figures text-sm">
      {names
        .filter((name) => text(stored[name]) !== text(derived[name]))
        .map((name) => (
          <li key={name} className="[overflow-wrap:anywhere]">
            {name.replaceAll("_", " ")}: {text(stored[name])} → {text(derived[name])}
          </li>
        ))}
    </ul>
  );
}
