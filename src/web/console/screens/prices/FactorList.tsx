/** Correction factors, the newest first. */

import { useLanguage } from "../../../shared/language.ts";
import { usePages } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { Figure, formatNumber } from "../../parts/figures.tsx";
import { FilterBar } from "../../parts/filters.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { ChangeFactor } from "./factors.documents.ts";
import { Factors, type FactorsQuery } from "./prices.documents.ts";
import { TimeLine } from "./TimeLine.tsx";
import { useHasHistory, VersionFilter } from "./VersionFilter.tsx";
import { useVersionColumns } from "./version_columns.tsx";
import { usePriceWords } from "./words.ts";

type Factor = NonNullable<NonNullable<FactorsQuery["correctionFactorVersions"]>["nodes"][number]>;

export function FactorList() {
  const words = usePriceWords();
  const language = useLanguage();
  const hasHistory = useHasHistory();
  const filter = hasHistory ? {} : { removedAt: { isNull: true } };
  const pages = usePages(
    Factors,
    { filter },
    ({ correctionFactorVersions }) => correctionFactorVersions,
  );
  const columns = useColumns();
  const spans = (pages.rows ?? [])
    .filter(({ removedAt }) => removedAt === null)
    .map((version) => ({
      id: version.id,
      scope: version.account?.code ?? words("allCustomers"),
      text: formatNumber(version.factor, language),
      from: version.effectiveFrom,
      to: version.effectiveTo,
    }));
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="factors" filters={{ has_removed: hasHistory ? "true" : undefined }} />
            <CopyAs
              document={Factors}
              variables={{ filter }}
              sql={`select * from saldo.correction_factor_version${hasHistory ? "" : " where removed_at is null"} order by effective_from desc, id desc;`}
            />
          </>
        }
      >
        <VersionFilter />
      </FilterBar>
      <TimeLine title={words("factorLine")} spans={spans} />
      <PagedTable
        caption={words("factors")}
        pages={pages}
        document={Factors}
        columns={columns}
        keyOf={({ id }) => id}
        empty={words("noFactors")}
      />
    </>
  );
}

function useColumns(): Column<Factor>[] {
  const words = usePriceWords();
  const { days, scope, record } = useVersionColumns();
  const may = useMay(ChangeFactor as never);
  const figure = (title: string, of: (row: Factor) => string | null): Column<Factor> => ({
    title,
    align: "right",
    cell: (row) => <Figure value={of(row)} />,
  });
  const columns: Column<Factor>[] = [
    ...days,
    scope,
    figure(words("factor"), ({ factor }) => factor),
    { title: words("formula"), cell: ({ formula }) => words(formula) },
    figure(words("pressure"), ({ pressure }) => pressure),
    figure(words("temperature"), ({ temperature }) => temperature),
    ...record,
  ];
  if (may) {
    columns.push({
      title: words("change"),
      cell: ({ id, removedAt }) =>
        removedAt === null && (
          <Go to="/prices/factor" search={{ version: id }}>
            {words("change")}
          </Go>
        ),
    });
  }
  return columns;
}
