/** Branches: which of them are heard of, what the centre lacks, what waits for a person. */
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Badge, Field } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { ActionDialog } from "../../parts/action_dialog.tsx";
import { DialogButton } from "../../parts/dialog_button.tsx";
import { Figure, Moment } from "../../parts/figures.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { CopyAs, CsvLink } from "../../parts/share.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { type BranchStateRowFragment, BranchStates, CreateBranch } from "./branches.documents.ts";
import { useBranchWords } from "./words.ts";

const EVERY_SECONDS = 30;

export function Screen() {
  const words = useBranchWords();
  const variables = { first: 100 };
  const pages = usePages(BranchStates, variables, ({ branchStates }) => branchStates, {
    everySeconds: EVERY_SECONDS,
  });
  return (
    <Page
      title={words("title")}
      actions={
        <>
          <DialogButton label={words("newBranch")} look="main" document={CreateBranch}>
            {(close) => <NewBranch close={close} />}
          </DialogButton>
          <CsvLink name="branches" />
          <CopyAs
            document={BranchStates}
            variables={variables}
            sql="select * from saldo.branch_states();"
          />
        </>
      }
    >
      <PagedTable
        caption={words("title")}
        pages={pages}
        document={BranchStates}
        keyOf={({ branchId }) => String(branchId)}
        empty={words("noBranches")}
        columns={[
          {
            title: words("code"),
            cell: ({ branchId, branchCode }) => <Go to={`/branches/${branchId}`}>{branchCode}</Go>,
          },
          {
            title: words("name"),
            cell: ({ branchName }) => <span className="wrap-anywhere">{branchName}</span>,
          },
          { title: words("lastPush"), cell: (row) => <LastPush row={row} /> },
          { title: words("devices"), cell: (row) => <Devices row={row} /> },
          count(words("missing"), "missingCount"),
          count(words("quarantined"), "quarantinedCount"),
          count(words("conflicts"), "conflictCount"),
          count(words("suspense"), "suspenseCount"),
          {
            title: words("waitingSince"),
            cell: ({ waitingSince }) => <Moment at={waitingSince} />,
          },
        ]}
      />
    </Page>
  );
}

type CountName = "missingCount" | "quarantinedCount" | "conflictCount" | "suspenseCount";

/** A column of a count, which stands out where it is not nothing. */
function count(title: string, name: CountName) {
  return {
    title,
    align: "right" as const,
    cell: (row: BranchStateRowFragment) => (
      <span className={row[name] === "0" ? "text-soft" : "font-bold text-bad"}>
        <Figure value={row[name]} />
      </span>
    ),
  };
}

/** When a till of the branch last pushed. */
export function LastPush({ row }: { row: BranchStateRowFragment }) {
  const words = useBranchWords();
  return (
    <span>
      {row.lastPushAt === null ? words("never") : <Moment at={row.lastPushAt} />}{" "}
      {row.isSilent && <Badge tone="bad">{words("silent")}</Badge>}
    </span>
  );
}

function Devices({ row }: { row: BranchStateRowFragment }) {
  const words = useBranchWords();
  return (
    <span>
      <Figure value={row.deviceCount} />{" "}
      {row.forkedCount !== "0" && <Badge tone="bad">{words("forked")}</Badge>}
    </span>
  );
}

function NewBranch({ close }: { close: () => void }) {
  const words = useBranchWords();
  const navigate = useNavigate();
  const [code, setCode] = useState("");
  const [name, setName] = useState("");
  const [isTried, setIsTried] = useState(false);
  const isCode = /^[A-Z0-9][A-Z0-9-]{0,19}$/.test(code);
  const isName = name.trim() !== "";
  return (
    <ActionDialog
      title={words("newBranch")}
      document={CreateBranch}
      close={close}
      submit={words("create")}
      variables={() => {
        setIsTried(true);
        return isCode && isName ? { input: { code, name: name.trim() } } : null;
      }}
      onDone={({ createBranch }) => {
        const id = createBranch?.result?.id;
        if (id) void navigate({ to: `/branches/${id}` });
        return words("created");
      }}
    >
      <Field
        label={words("code")}
        hint={words("codeHint")}
        maxLength={20}
        value={code}
        error={isTried && !isCode ? words("codeWrong") : undefined}
        onChange={({ target }) => setCode(target.value.toUpperCase())}
      />
      <Field
        label={words("name")}
        maxLength={180}
        value={name}
        error={isTried && !isName ? words("nameMissing") : undefined}
        onChange={({ target }) => setName(target.value)}
      />
    </ActionDialog>
  );
}
