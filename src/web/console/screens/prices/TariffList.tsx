/** Prices, the newest first. */

import { useLanguage } from "../../../shared/language.ts";
import { Badge } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { Day, formatMoney, Moment, Money } from "../../parts/figures.tsx";
import { FilterBar } from "../../parts/filters.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { useToday } from "../../parts/today.ts";
import { ChangePrice, Tariffs, type TariffsQuery } from "./prices.documents.ts";
import { TimeLine } from "./TimeLine.tsx";
import { useHasHistory, VersionFilter } from "./VersionFilter.tsx";
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
  const today = useToday();
  const may = useMay(ChangePrice as never);
  const columns: Column<Tariff>[] = [
    { title: words("from"), cell: ({ effectiveFrom }) => <Day day={effectiveFrom} /> },
    {
      title: words("to"),
      cell: ({ effectiveTo }) =>
        effectiveTo === null ? words("noEnd") : <Day day={effectiveTo} />,
    },
    {
      title: words("scope"),
      cell: ({ account }) =>
        account === null ? (
          words("allCustomers")
        ) : (
          <>
            <Go to={`/customers/${account.id}`}>{account.code}</Go> {account.name}
          </>
        ),
    },
    {
      title: words("price"),
      align: "right",
      cell: ({ price, currency }) => <Money amount={price} currency={currency} />,
    },
    {
      title: words("status"),
      cell: ({ removedAt, effectiveFrom }) =>
        removedAt !== null ? (
          <Badge tone="wait">{words("removed")}</Badge>
        ) : (
          <Badge tone="good">{words(effectiveFrom > today ? "future" : "stands")}</Badge>
        ),
    },
    {
      title: words("recorded"),
      cell: ({ recordedAt, recordedBy }) => (
        <span className="break-words">
          <Moment at={recordedAt} />, {recordedBy}
        </span>
      ),
    },
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
