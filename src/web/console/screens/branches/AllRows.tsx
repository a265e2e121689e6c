/** All rows of a branch with their verdicts, the newest first. */
import { usePages } from "../../api/query_client.ts";
import { ChoiceFilter, FilterBar, useFilters } from "../../parts/filters.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { rowColumns } from "./row_columns.tsx";
import { BranchRows, type BranchVerdict } from "./rows.documents.ts";
import { useBranchWords } from "./words.ts";

const verdicts = [
  "accepted",
  "duplicate",
  "conflict",
  "quarantined",
  "refused",
] as const satisfies readonly BranchVerdict[];

export function AllRows({ branchId }: { branchId: string }) {
  const words = useBranchWords();
  const { filters } = useFilters();
  const verdict = verdicts.find((each) => each === filters["verdict"]);
  const filter = {
    branchId: { equalTo: branchId },
    ...(verdict !== undefined && { verdict: { equalTo: verdict } }),
  };
  const pages = usePages(BranchRows, { filter, first: 50 }, ({ branchIntakes }) => branchIntakes);
  const where = verdict === undefined ? "" : ` and verdict = ${sqlText(verdict)}`;
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="branch-rows" filters={{ branch: branchId, state: verdict }} />
            <CopyAs
              document={BranchRows}
              variables={{ filter, first: 50 }}
              sql={`select * from saldo.branch_intake where branch_id = ${sqlText(branchId)}${where} order by id desc limit 50;`}
            />
          </>
        }
      >
        <ChoiceFilter
          name="verdict"
          label={words("verdict")}
          options={verdicts.map((each) => [each, words(`verdict_${each}`)] as const)}
        />
      </FilterBar>
      <PagedTable
        caption={words("allRows")}
        pages={pages}
        keyOf={({ id }) => id}
        empty={words("noRows")}
        columns={rowColumns(words)}
      />
    </>
  );
}
