/** Prices, the newest first. */

import { useLanguage } from "../../../shared/language.ts";
import { usePages } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { formatMoney, Money } from "../../parts/figures.tsx";
import { FilterBar } from "../../parts/filters.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { ChangePrice, Tariffs, type TariffsQuery } from "./prices.documents.ts";
import { TimeLine } from "./TimeLine.tsx";
import { useHasHistory, VersionFilter } from "./VersionFilter.tsx";
import { useVersionColumns } from "./version_columns.tsx";
import { usePriceWords } from "./words.ts";

type Tariff = NonNullable<NonNullable<TariffsQuery["tariffVersions"]>["nodes"][number]>;

export function TariffList() {
  const words = usePriceWords();
  const language = useLanguage();
  const hasHistory = useHasHistory();
  const filter = hasHistory ? {} : { removedAt: { isNull: true } };
  const pages = usePages(Tariffs, { filter }, ({ tariffVersions }) => tariffVersions);
  const columns = useColumns();
  const spans = (pages.rows ?? [])
    .filter(({ removedAt }) => removedAt === null)
    .map((tariff) => ({
      id: tariff.id,
      scope: `${tariff.account?.code ?? words("allCustomers")}, ${tariff.currency}`,
      text: formatMoney(tariff.price, tariff.currency, language),
      from: tariff.effectiveFrom,
      to: tariff.effectiveTo,
    }));
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="tariffs" filters={{ has_removed: hasHistory ? "true" : undefined }} />
            <CopyAs
              document={Tariffs}
              variables={{ filter }}
              sql={`select * from saldo.tariff_version${hasHistory ? "" : " where removed_at is null"} order by effective_from desc, id desc;`}
            />
          </>
        }
      >
        <VersionFilter />
      </FilterBar>
      <TimeLine title={words("timeLine")} spans={spans} />
      <PagedTable
        caption={words("tariffs")}
        pages={pages}
        document={Tariffs}
        columns={columns}
        keyOf={({ id }) => id}
        empty={words("noTariffs")}
      />
    </>
  );
}

function useColumns(): Column<Tariff>[] {
  const words = usePriceWords();
  const { days, scope, record } = useVersionColumns();
  const may = useMay(ChangePrice as never);
  const columns: Column<Tariff>[] = [
    ...days,
    scope,
    {
      title: words("price"),
      align: "right",
      cell: ({ price, currency }) => <Money amount={price} currency={currency} />,
    },
    ...record,
  ];
  if (may) {
    columns.push({
      title: words("change"),
      cell: ({ id, removedAt }) =>
        removedAt === null && (
          <Go to="/prices/change" search={{ version: id }}>
            {words("change")}
          </Go>
        ),
    });
  }
  return columns;
}
