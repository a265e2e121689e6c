/** A conflict: the rows of one id beside each other, and whether this one is a fact of its own. */
import { useState } from "react";
import { Choice } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { ActionDialog } from "../../parts/action_dialog.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Table } from "../../parts/table.tsx";
import { rowColumns } from "./row_columns.tsx";
import { type IntakeRowFragment, ResolveConflict, RowsOfId } from "./rows.documents.ts";
import { useBranchWords } from "./words.ts";

export function ResolveDialog({
  row,
  branchId,
  close,
}: {
  row: IntakeRowFragment;
  branchId: string;
  close: () => void;
}) {
  const words = useBranchWords();
  const [answer, setAnswer] = useState("no");
  const rowId = row.rowId ?? "";
  const query = useDocument(RowsOfId, { branchId, rowId }, { enabled: rowId !== "" });
  // The dialog has room for what tells the rows apart.
  const columns = rowColumns(words).slice(0, 4);
  return (
    <ActionDialog
      title={words("resolveTitle")}
      document={ResolveConflict}
      close={close}
      needsReason
      variables={(note) => ({ input: { intakeId: row.id, isAccepted: answer === "yes", note } })}
      submit={words("resolve")}
      onDone={() => words("resolved")}
    >
      <Loaded query={query} lines={2}>
        {({ branchIntakes }) => {
          const others = rowsOf(branchIntakes).filter(({ id }) => id !== row.id);
          return (
            <>
              <p className="text-soft">{words(others.length > 0 ? "resolveLead" : "placeLead")}</p>
              <Table
                caption={words("resolveTitle")}
                rows={[row, ...others]}
                keyOf={({ id }) => id}
                columns={columns}
              />
            </>
          );
        }}
      </Loaded>
      <Choice
        label={words("decision")}
        value={answer}
        onChange={({ target }) => setAnswer(target.value)}
        options={[
          ["no", words("notOwn")],
          ["yes", words("own")],
        ]}
      />
    </ActionDialog>
  );
}
