/** A plan, or what became of one: count and sum first, then finding by finding, then the question. */
import { Card } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { useAttention } from "../../parts/attention.ts";
import { Figure, Moment, Money } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { isUuid, NoSuch } from "../../parts/no_such.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { Facts, Stat, Table } from "../../parts/table.tsx";
import { useCauseWords } from "../health/cause_words.ts";
import { Apply } from "./Apply.tsx";
import { HealRunDetail } from "./plan.documents.ts";
import { RunLines } from "./RunLines.tsx";
import { countOf, type Run, type Total } from "./run_totals.ts";
import { useHealWords } from "./words.ts";

export function Screen() {
  const words = useHealWords();
  useAttention();
  const id = useParameter("id");
  const query = useDocument(HealRunDetail, { id }, { enabled: isUuid(id) });
  if (!isUuid(id) || query.data?.healRun === null) {
    return (
      <NoSuch title={words("planOf")} to="/heal">
        {words("noRun")}
      </NoSuch>
    );
  }
  const run = query.data?.healRun;
  const totals = rowsOf(query.data?.healRunTotals);
  return (
    <Page
      title={words(run?.isDryRun === false ? "runOf" : "planOf")}
      lead={
        run && (
          <>
            <Moment at={run.finishedAt} /> · {run.actor}
          </>
        )
      }
      actions={run?.isDryRun && <Apply run={run} totals={totals} />}
    >
      <Loaded query={query} document={HealRunDetail} lines={8}>
        {({ healRun }) => healRun && <RunParts run={healRun} totals={totals} />}
      </Loaded>
    </Page>
  );
}

function RunParts({ run, totals }: { run: Run; totals: readonly Total[] }) {
  const words = useHealWords();
  const proposalCount = run.needsApprovalCount + run.escalatedCount;
  return (
    <>
      <div className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
        <Stat label={words(run.isDryRun ? "wouldHeal" : "healed")} tone="good">
          <Figure value={run.isDryRun ? countOf(totals, "would_heal") : run.healedCount} />
        </Stat>
        <Stat label={words("toApprove")}>
          <Figure value={proposalCount} />
        </Stat>
        <Stat label={words("refused")} tone={run.refusedCount > 0 ? "bad" : undefined}>
          <Figure value={run.refusedCount} />
        </Stat>
        <Stat label={words("frozenCount")}>
          <Figure value={run.frozenCount} />
        </Stat>
      </div>
      <Facts
        facts={[
          [
            words("itsCheck"),
            <Go key="findings" to="/health" search={{ check: run.checkRunId }}>
              {words("showFindings")}
            </Go>,
          ],
          ...(run.isDryRun || proposalCount === 0
            ? []
            : [
                [
                  words("toApprove"),
                  <Go key="proposals" to="/heal" search={{ tab: "proposals", status: "proposed" }}>
                    {words("showProposals")}
                  </Go>,
                ] as const,
              ]),
        ]}
      />
      {totals.length > 0 && (
        <Card title={words("totals")}>
          <Totals totals={totals} />
        </Card>
      )}
      <Card title={words("lines")}>
        <RunLines run={run.id} />
      </Card>
    </>
  );
}

function Totals({ totals }: { totals: readonly Total[] }) {
  const words = useHealWords();
  const terms = useCauseWords();
  return (
    <Table
      caption={words("totals")}
      rows={totals}
      keyOf={({ outcome, rule, currency }) => `${outcome} ${rule} ${currency}`}
      columns={[
        { title: words("outcome"), cell: ({ outcome }) => terms(outcome ?? "unknown") },
        { title: words("rule"), cell: ({ rule }) => rule },
        {
          title: words("count"),
          align: "right",
          cell: ({ findingCount }) => <Figure value={findingCount} />,
        },
        {
          title: words("sum"),
          align: "right",
          cell: ({ differenceSum, currency }) =>
            currency === null ? (
              <Figure value={differenceSum} />
            ) : (
              <Money amount={differenceSum} currency={currency} />
            ),
        },
      ]}
    />
  );
}
