/** Finding by finding what a plan would do, or a heal did. */
import { usePages } from "../../api/query_client.ts";
import { Money } from "../../parts/figures.tsx";
import { LongText } from "../../parts/long_text.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { useCauseWords } from "../health/cause_words.ts";
import { HealActions } from "./history.documents.ts";
import { About, AccountLink, Cached } from "./parts.tsx";
import { useHealWords } from "./words.ts";

export function RunLines({ run }: { run: string }) {
  const words = useHealWords();
  const terms = useCauseWords();
  const filter = { healRunId: { equalTo: run } };
  const pages = usePages(HealActions, { filter }, ({ healActions }) => healActions);
  return (
    <PagedTable
      pages={pages}
      document={HealActions}
      caption={words("lines")}
      keyOf={({ id }) => id}
      empty={words("noLines")}
      columns={[
        {
          title: words("about"),
          cell: ({ rule, key, finding }) => <About rule={rule} of={key} findingId={finding?.id} />,
        },
        { title: words("account"), cell: ({ account }) => <AccountLink account={account} /> },
        { title: words("outcome"), cell: ({ outcome }) => terms(outcome) },
        {
          title: words("before"),
          align: "right",
          cell: ({ before, account }) => <Cached cache={before} currency={account?.currency} />,
        },
        {
          title: words("after"),
          align: "right",
          cell: ({ after, account }) => <Cached cache={after} currency={account?.currency} />,
        },
        {
          title: words("difference"),
          align: "right",
          cell: ({ finding, account }) => (
            <Money amount={finding?.difference} currency={account?.currency} signed />
          ),
        },
        { title: words("reason"), cell: ({ reason }) => <LongText text={reason} lang="en" /> },
      ]}
    />
  );
}
