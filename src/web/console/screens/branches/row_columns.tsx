/** How a row of a till is shown, wherever it is. */
import { Badge } from "../../../shared/ui.tsx";
import { Day, Moment, Money } from "../../parts/figures.tsx";
import { Go } from "../../parts/page.tsx";
import type { Column } from "../../parts/table.tsx";
import type { en } from "./branch_words.ts";
import type { BranchVerdict, IntakeRowFragment } from "./rows.documents.ts";
import { useBranchWords } from "./words.ts";

type Words = ReturnType<typeof useBranchWords>;

const tones = {
  accepted: "good",
  duplicate: "wait",
  conflict: "bad",
  quarantined: "bad",
  refused: "wait",
} as const satisfies { [verdict in BranchVerdict]: string };

/** Columns that all lists of rows have. */
export function rowColumns(words: Words): Column<IntakeRowFragment>[] {
  return [
    {
      title: words("number"),
      cell: ({ id, seq, device }) => (
        <span className="whitespace-nowrap">
          {device?.deviceNo ?? "–"}-{seq ?? `(${id})`}
        </span>
      ),
    },
    {
      title: words("happened"),
      cell: ({ occurredAt, businessDate }) => (
        <div>
          <Moment at={occurredAt} />
          <div className="text-soft">
            <Day day={businessDate} />
          </div>
        </div>
      ),
    },
    { title: words("what"), cell: (row) => <What row={row} /> },
    {
      title: words("amount"),
      align: "right",
      cell: ({ amount, currency, flow }) => (
        <div>
          {amount === null || currency === null ? (
            "–"
          ) : (
            <Money amount={amount} currency={currency} />
          )}
          {flow && <div className="text-soft">{words(`flow_${flow}`)}</div>}
        </div>
      ),
    },
    {
      title: words("verdict"),
      cell: ({ verdict }) => <Badge tone={tones[verdict]}>{words(`verdict_${verdict}`)}</Badge>,
    },
    { title: words("why"), cell: (row) => <Why row={row} /> },
  ];
}

function What({ row }: { row: IntakeRowFragment }) {
  const words = useBranchWords();
  if (row.kind === null) {
    return (
      <details className="wrap-anywhere">
        <summary>{words("unread")}</summary>
        <code className="block text-xs text-soft">
          {JSON.stringify(row.payload).slice(0, 2000)}
        </code>
      </details>
    );
  }
  return (
    <div className="wrap-anywhere">
      {words(`kind_${row.kind}`)}: {row.category}
      {row.description && <div className="text-soft">{row.description}</div>}
      {row.cashier && <div className="text-soft">{row.cashier}</div>}
    </div>
  );
}

function Why({ row }: { row: IntakeRowFragment }) {
  const words = useBranchWords();
  return (
    <div className="wrap-anywhere">
      {reasonOf(row.verdictReason, words)}
      {row.decidedBy && (
        <div className="text-soft">
          {row.decidedBy}, <Moment at={row.decidedAt} />: {row.decisionNote}
        </div>
      )}
      {row.entryId && (
        <div>
          <Go to={`/journal/${row.entryId}`}>{words("entry")}</Go>
        </div>
      )}
    </div>
  );
}

const known = [
  "row_invalid",
  "hash_mismatch",
  "currency_mismatch",
  "branch_mismatch",
  "id_reused",
  "sequence_reused",
  "epoch_superseded",
  "device_forked",
  "device_closed",
  "void_waits",
  "void_mismatch",
  "already_voided",
  "voided",
  "original_not_posted",
] as const;

/** The reason in words where it has some; a note or a code as it is. */
function reasonOf(reason: string | null, words: Words): string {
  const [name, field] = (reason ?? "").split(": ");
  const found = known.find((each) => each === name);
  if (found === undefined) return reason ?? "";
  const key: keyof typeof en = `reason_${found}`;
  return field ? `${words(key)}: ${field}` : words(key);
}
