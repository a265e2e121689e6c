/** What the centre lacks of a branch, and what somebody has said will not come. */
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Figure, Moment } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { CopyAs, CsvLink, sqlText, Take } from "../../parts/share.tsx";
import { Table } from "../../parts/table.tsx";
import { BranchGaps, type BranchGapsQuery, WaiveBranchGap } from "./branches.documents.ts";
import { useBranchWords } from "./words.ts";

type Gap = NonNullable<NonNullable<BranchGapsQuery["branchGaps"]>["nodes"][number]>;

export function Gaps({ branchId }: { branchId: string }) {
  const words = useBranchWords();
  const query = useDocument(BranchGaps, { branchId }, { everySeconds: 30 });
  return (
    <Loaded query={query} document={BranchGaps}>
      {({ branchGaps }) => (
        <>
          <Take>
            <CsvLink name="branch-gaps" filters={{ branch: branchId }} />
            <CopyAs
              document={BranchGaps}
              variables={{ branchId }}
              sql={`select * from saldo.branch_gaps(${sqlText(branchId)});`}
            />
          </Take>
          <Table
            caption={words("missing")}
            rows={rowsOf(branchGaps)}
            keyOf={(gap) => `${gap.deviceId}-${gap.epochNo}-${gap.firstSeq}`}
            empty={words("noGaps")}
            columns={[
              { title: words("device"), cell: ({ deviceNo }) => deviceNo },
              { title: words("epoch"), cell: ({ epochNo }) => epochNo },
              {
                title: words("rowsFromTo"),
                cell: ({ firstSeq, lastSeq }) =>
                  firstSeq === lastSeq ? firstSeq : `${firstSeq} – ${lastSeq}`,
              },
              {
                title: words("count"),
                align: "right",
                cell: ({ rowCount }) => <Figure value={rowCount} />,
              },
              {
                title: words("knownSince"),
                cell: ({ knownSince }) => <Moment at={knownSince} />,
              },
              { title: words("actions"), cell: (gap) => <Waive gap={gap} /> },
            ]}
          />
          {branchGaps?.pageInfo.hasNextPage && <p className="text-soft">{words("moreGaps")}</p>}
        </>
      )}
    </Loaded>
  );
}

function Waive({ gap }: { gap: Gap }) {
  const words = useBranchWords();
  const { deviceId, deviceNo, epochNo, firstSeq, lastSeq, rowCount } = gap;
  return (
    <ActionButton
      label={words("waive")}
      title={words("waiveTitle", { first: firstSeq, last: lastSeq })}
      document={WaiveBranchGap}
      look="bad"
      needsReason
      {...(rowCount !== "1" && rowCount !== null && { confirmWord: rowCount })}
      variables={(reason) =>
        deviceId === null || epochNo === null || firstSeq === null || lastSeq === null
          ? null
          : { input: { deviceId, epochNo, firstSeq, lastSeq, reason } }
      }
      submit={words("waive")}
      onDone={() => words("waived")}
    >
      <p>{words("waiveLead", { count: Number(rowCount), device: deviceNo })}</p>
    </ActionButton>
  );
}
