/** What a heal may do without an approval. */
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useEngineWords } from "../../parts/engine_words.ts";
import { Figure, Moment } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Table } from "../../parts/table.tsx";
import { HealLimits, type HealLimitsQuery } from "./limits.documents.ts";
import { useHealWords } from "./words.ts";

export function Limits() {
  const words = useHealWords();
  const query = useDocument(HealLimits, {});
  return (
    <>
      <p>{words("limitsHelp")}</p>
      <Loaded query={query} document={HealLimits}>
        {(data) => <LimitTables data={data} />}
      </Loaded>
    </>
  );
}

function LimitTables({ data }: { data: HealLimitsQuery }) {
  const engine = useEngineWords();
  const words = useHealWords();
  return (
    <>
      <Table
        caption={words("limits")}
        rows={rowsOf(data.healPolicies)}
        keyOf={({ rule }) => rule}
        empty={words("noPolicies")}
        columns={[
          {
            title: words("rule"),
            cell: ({ rule, balanceRuleByRule }) => engine.rule(rule, balanceRuleByRule?.title),
          },
          {
            title: words("scheduled"),
            cell: ({ isScheduled }) => words(isScheduled ? "yes" : "no"),
          },
          {
            title: words("maxAmount"),
            align: "right",
            cell: ({ maxAmount }) => <Figure value={maxAmount} />,
          },
          {
            title: words("maxCount"),
            align: "right",
            cell: ({ maxCount }) => <Figure value={maxCount} />,
          },
          {
            title: words("maxTotal"),
            align: "right",
            cell: ({ maxAmountTotal }) => <Figure value={maxAmountTotal} />,
          },
          {
            title: words("maxPercent"),
            align: "right",
            cell: ({ maxPercent }) => <Figure value={maxPercent} />,
          },
          {
            title: words("setBy"),
            cell: ({ setBy, setAt }) => (
              <>
                {setBy} <Moment at={setAt} />
              </>
            ),
          },
        ]}
      />
      <Table
        caption={words("setting")}
        rows={rowsOf(data.settings)}
        keyOf={({ name }) => name}
        columns={[
          { title: words("setting"), cell: ({ name }) => name },
          { title: words("value"), align: "right", cell: ({ value }) => <Figure value={value} /> },
          {
            title: words("means"),
            cell: ({ description }) => <span lang="en">{description}</span>,
          },
        ]}
      />
    </>
  );
}
