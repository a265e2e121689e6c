/** Rows in quarantine and in conflict: a person says what becomes of each. */
import { useState } from "react";
import { useLanguage } from "../../../shared/language.ts";
import { usePages } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { sumAmounts } from "../../parts/amount.ts";
import { Check, DialogButton } from "../../parts/dialog_button.tsx";
import { formatMoney } from "../../parts/figures.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { ResolveDialog } from "./ResolveConflict.tsx";
import { rowColumns } from "./row_columns.tsx";
import {
  AcceptQuarantined,
  BranchRows,
  type IntakeRowFragment,
  RefuseQuarantined,
  ResolveConflict,
} from "./rows.documents.ts";
import { useBranchWords } from "./words.ts";

export function ToDecide({ branchId }: { branchId: string }) {
  const words = useBranchWords();
  const mayDecide = useMay(AcceptQuarantined as never);
  const [ids, setIds] = useState<readonly string[]>([]);
  const pages = usePages(
    BranchRows,
    {
      filter: { branchId: { equalTo: branchId }, verdict: { in: ["quarantined", "conflict"] } },
      first: 50,
    },
    ({ branchIntakes }) => branchIntakes,
    { everySeconds: 30 },
  );
  const rows = pages.rows ?? [];
  // What somebody else has decided meanwhile is chosen no more.
  const chosen = rows.filter(({ id, verdict }) => verdict === "quarantined" && ids.includes(id));
  const toggle = (id: string, isChosen: boolean) =>
    setIds(isChosen ? [...ids, id] : ids.filter((each) => each !== id));
  const columns = rowColumns(words);
  if (mayDecide) {
    columns.push({
      title: words("actions"),
      cell: (row) => (
        <Decide
          row={row}
          branchId={branchId}
          isChosen={ids.includes(row.id)}
          onChoose={(isChosen) => toggle(row.id, isChosen)}
        />
      ),
    } satisfies Column<IntakeRowFragment>);
  }
  return (
    <>
      {chosen.length > 0 && <Bulk rows={chosen} onDone={() => setIds([])} />}
      <PagedTable
        caption={words("toDecide")}
        pages={pages}
        keyOf={({ id }) => id}
        empty={words("noneToDecide")}
        columns={columns}
      />
    </>
  );
}

function Decide({
  row,
  branchId,
  isChosen,
  onChoose,
}: {
  row: IntakeRowFragment;
  branchId: string;
  isChosen: boolean;
  onChoose: (isChosen: boolean) => void;
}) {
  const words = useBranchWords();
  if (row.verdict === "quarantined") {
    return (
      <Check
        label={words("choose", { id: `${row.device?.deviceNo ?? "–"}-${row.seq ?? row.id}` })}
        checked={isChosen}
        onChange={onChoose}
      />
    );
  }
  return (
    <DialogButton label={words("resolve")} document={ResolveConflict}>
      {(close) => <ResolveDialog row={row} branchId={branchId} close={close} />}
    </DialogButton>
  );
}

/** What the chosen rows come to, for each direction and currency. */
function sumsOf(
  rows: readonly IntakeRowFragment[],
  words: ReturnType<typeof useBranchWords>,
  language: string,
): string[] {
  const sums = Map.groupBy(rows, ({ flow, currency, amount }) =>
    flow === null || currency === null || amount === null ? "" : `${flow} ${currency}`,
  );
  return [...sums].map(([place, each]) => {
    const [flow, currency] = place.split(" ");
    if (!flow || !currency) return words("unreadCount", { count: each.length });
    const sum = sumAmounts(each.map(({ amount }) => amount ?? "0"));
    return `${words(flow === "IN" ? "flow_IN" : "flow_OUT")} ${formatMoney(sum, currency, language)}`;
  });
}

/** What is done with all that is chosen, with its count and sums first. */
function Bulk({ rows, onDone }: { rows: readonly IntakeRowFragment[]; onDone: () => void }) {
  const words = useBranchWords();
  const language = useLanguage();
  const [isDatedNow, setIsDatedNow] = useState(false);
  const count = rows.length;
  const intakeIds = rows.map(({ id }) => id);
  const sums = [words("chosen", { count }), ...sumsOf(rows, words, language)].join(", ");
  const confirm = count > 1 ? { confirmWord: String(count) } : {};
  const done = (text: string) => {
    onDone();
    return text;
  };
  return (
    <div className="sticky top-0 flex flex-wrap items-center gap-3 rounded-xl border border-brand bg-card p-3">
      <p aria-live="polite" className="font-semibold">
        {sums}
      </p>
      <ActionButton
        label={words("accept")}
        look="main"
        title={words("acceptTitle", { count })}
        document={AcceptQuarantined}
        needsReason
        {...confirm}
        variables={(note) => ({ input: { intakeIds, note, isDatedNow } })}
        submit={words("accept")}
        onDone={() => done(words("accepted"))}
      >
        <p className="font-semibold">{sums}</p>
        <p>{words("acceptLead")}</p>
        <Check
          label={words("datedNow")}
          hint={words("datedNowHint")}
          checked={isDatedNow}
          onChange={setIsDatedNow}
        />
      </ActionButton>
      <ActionButton
        label={words("refuse")}
        look="bad"
        title={words("refuseTitle", { count })}
        document={RefuseQuarantined}
        needsReason
        {...confirm}
        variables={(note) => ({ input: { intakeIds, note } })}
        submit={words("refuse")}
        onDone={() => done(words("refused"))}
      >
        <p className="font-semibold">{sums}</p>
        <p>{words("refuseLead")}</p>
      </ActionButton>
    </div>
  );
}
