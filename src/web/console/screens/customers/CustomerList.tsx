/** Customers by code, searched for at the server. */
import { Badge } from "../../../shared/ui.tsx";
import { rowsOf, usePages } from "../../api/query_client.ts";
import { Moment, Money } from "../../parts/figures.tsx";
import { FilterBar, SearchFilter, useFilters } from "../../parts/filters.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { FindCustomers, type FindCustomersQuery } from "./customers.documents.ts";
import { useCustomerWords } from "./words.ts";

type Found = NonNullable<NonNullable<FindCustomersQuery["findCustomers"]>["nodes"][number]>;

/** The next page begins behind the last code: no page costs more than the first. */
function pageOf(result: FindCustomersQuery) {
  const nodes = rowsOf(result.findCustomers);
  const hasNextPage = result.findCustomers?.pageInfo.hasNextPage ?? false;
  return { nodes, pageInfo: { hasNextPage, endCursor: nodes.at(-1)?.code ?? null } };
}

export function CustomerList() {
  const words = useCustomerWords();
  const { filters } = useFilters();
  const search = filters["search"] ?? null;
  const pages = usePages(FindCustomers, { search }, pageOf);
  const columns: Column<Found>[] = [
    {
      title: words("code"),
      cell: ({ id, code }) => <Go to={`/customers/${id}`}>{code}</Go>,
    },
    {
      title: words("name"),
      cell: ({ name, account }) => (
        <span className="break-words">
          {name} {account?.frozenAt != null && <Badge tone="bad">{words("frozen")}</Badge>}
        </span>
      ),
    },
    {
      title: words("balance"),
      align: "right",
      cell: ({ account, currency }) => <Money amount={account?.balance} currency={currency} />,
    },
    { title: words("since"), cell: ({ createdAt }) => <Moment at={createdAt} only="date" /> },
  ];
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="customers" filters={{ search: search ?? undefined }} />
            <CopyAs
              document={FindCustomers}
              variables={{ search }}
              sql={`select * from saldo.find_customers(${sqlText(search)});`}
            />
          </>
        }
      >
        <SearchFilter name="search" hint={words("searchHint")} />
      </FilterBar>
      <PagedTable
        caption={words("title")}
        pages={pages}
        document={FindCustomers}
        columns={columns}
        keyOf={({ id }) => id}
        empty={search === null ? words("noCustomers") : words("noneFound")}
      />
    </>
  );
}
