/** What a tariff charges beside the price: standing charges, tiers, a minimum take, taxes. */
import { useLanguage } from "../../../shared/language.ts";
import { usePages } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { Figure, formatNumber, Money } from "../../parts/figures.tsx";
import { FilterBar } from "../../parts/filters.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { AddPart, TariffParts, type TariffPartsQuery } from "./parts.documents.ts";
import { useHasHistory, VersionFilter } from "./VersionFilter.tsx";
import { useVersionColumns } from "./version_columns.tsx";
import { usePriceWords } from "./words.ts";

/** A part of the tariff as the list has it. */
export type Part = NonNullable<NonNullable<TariffPartsQuery["tariffParts"]>["nodes"][number]>;

export function PartList() {
  const words = usePriceWords();
  const hasHistory = useHasHistory();
  const filter = hasHistory ? {} : { removedAt: { isNull: true } };
  const pages = usePages(TariffParts, { filter }, ({ tariffParts }) => tariffParts);
  const columns = useColumns();
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink
              name="tariff-parts"
              filters={{ has_removed: hasHistory ? "true" : undefined }}
            />
            <CopyAs
              document={TariffParts}
              variables={{ filter }}
              sql={`select * from saldo.tariff_part${hasHistory ? "" : " where removed_at is null"} order by effective_from desc, id desc;`}
            />
          </>
        }
      >
        <VersionFilter />
      </FilterBar>
      <PagedTable
        caption={words("parts")}
        pages={pages}
        document={TariffParts}
        columns={columns}
        keyOf={({ id }) => id}
        empty={words("noParts")}
      />
    </>
  );
}

/** The price of a part with what it is of: "Rp 500 a month", "11 %". */
/** Whether it says to what the quantity of a month is rounded, and has no price of its own. */
export const isRounding = (kind: Part["kind"]) => kind === "round_half_up" || kind === "round_down";

/** Whether a volume belongs to it. */
export const hasVolume = (kind: Part["kind"]) =>
  kind === "tier" || kind === "minimum_take" || isRounding(kind);

export function PartPrice({ part }: { part: Pick<Part, "kind" | "price" | "currency"> }) {
  const words = usePriceWords();
  const language = useLanguage();
  if (isRounding(part.kind)) return <>{words("rounding_price")}</>;
  if (part.kind === "tax")
    return <span className="whitespace-nowrap">{formatNumber(part.price, language)} %</span>;
  return (
    <>
      <Money amount={part.price} currency={part.currency} /> {words(`${part.kind as "tier"}_unit`)}
    </>
  );
}

function useColumns(): Column<Part>[] {
  const words = usePriceWords();
  const { days, scope, record } = useVersionColumns();
  const may = useMay(AddPart as never);
  const columns: Column<Part>[] = [
    ...days,
    { title: words("kind"), cell: ({ kind }) => words(kind) },
    { title: words("name"), cell: ({ name }) => <span className="break-words">{name}</span> },
    scope,
    { title: words("rate"), align: "right", cell: (part) => <PartPrice part={part} /> },
    {
      title: words("fromVolume"),
      align: "right",
      cell: ({ kind, fromVolume }) => (hasVolume(kind) ? <Figure value={fromVolume} /> : "–"),
    },
    ...record,
  ];
  if (may) {
    columns.push({
      title: words("change"),
      cell: ({ id, removedAt }) =>
        removedAt === null && (
          <span className="flex flex-wrap gap-2">
            <Go to="/prices/part" search={{ part: id }}>
              {words("change")}
            </Go>
            <Go to="/prices/part" search={{ part: id, do: "remove" }}>
              {words("remove")}
            </Go>
          </span>
        ),
    });
  }
  return columns;
}
