/** What the last check found, account by account, the largest difference first. */
import { usePages } from "../../api/query_client.ts";
import { Figure, Money } from "../../parts/figures.tsx";
import { Go } from "../../parts/page.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { useCauseWords } from "./cause_words.ts";
import { HealthByAccount } from "./health.documents.ts";
import { useHealthWords } from "./words.ts";

export function ByAccount() {
  const words = useHealthWords();
  const terms = useCauseWords();
  const { query, rows } = usePages(
    HealthByAccount,
    { check: null },
    ({ healthByAccount }) => healthByAccount,
    { everySeconds: 60 },
  );
  return (
    <PagedTable
      pages={{ query, rows }}
      document={HealthByAccount}
      caption={words("byAccount")}
      keyOf={(each) => each.accountId ?? ""}
      empty={words("noAccounts")}
      columns={[
        {
          title: words("account"),
          cell: ({ accountId, code }) => <Go to={`/accounts/${accountId}`}>{code}</Go>,
        },
        {
          title: words("difference"),
          align: "right",
          cell: (each) => <Money amount={each.difference} currency={each.currency} signed />,
        },
        {
          title: words("findings"),
          align: "right",
          cell: ({ accountId, findingCount }) => (
            <Go to="/health" search={{ tab: "findings", account: accountId ?? undefined }}>
              <Figure value={findingCount} />
            </Go>
          ),
        },
        {
          title: words("rules"),
          cell: ({ rules }) => <span className="break-all">{rules?.join(", ")}</span>,
        },
        { title: words("mostCause"), cell: (each) => terms(each.cause ?? "unknown") },
        {
          title: words("healedBefore"),
          align: "right",
          cell: (each) => <Figure value={each.healedCount} />,
        },
      ]}
    />
  );
}
