/** What was found about an account, and what was done about it. */
import { usePages } from "../../api/query_client.ts";
import { Moment, Money } from "../../parts/figures.tsx";
import { PagedTable } from "../../parts/table.tsx";
import type { AccountFacts } from "./account_facts.ts";
import { AccountHistory } from "./accounts.documents.ts";
import { useAccountWords } from "./words.ts";

export function HistoryTab({ account: { id, currency } }: { account: AccountFacts }) {
  const words = useAccountWords();
  const pages = usePages(AccountHistory, { id }, (result) => result.accountHealthHistory);
  return (
    <PagedTable
      caption={words("history")}
      document={AccountHistory}
      pages={pages}
      keyOf={({ occurredAt, what, rule, key, text }) => [occurredAt, what, rule, key, text].join()}
      empty={words("noHistory")}
      columns={[
        { title: words("when"), cell: ({ occurredAt }) => <Moment at={occurredAt} /> },
        { title: words("event"), cell: ({ what }) => what },
        {
          title: words("what"),
          cell: ({ text, rule, key }) => (
            <span className="break-words">
              {text}
              {rule && (
                <span className="block text-sm break-all text-soft">
                  {rule} · {key}
                </span>
              )}
            </span>
          ),
        },
        {
          title: words("difference"),
          align: "right",
          cell: ({ difference }) => <Money amount={difference} currency={currency} signed />,
        },
        { title: words("by"), cell: ({ actor }) => <span className="break-all">{actor}</span> },
      ]}
    />
  );
}
