/** One finding: what must hold, what is stored, why, with which evidence, and what was done. */
import { Badge, Card } from "../../../shared/ui.tsx";
import { rowsOf, useDocument, usePages } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { useAttention } from "../../parts/attention.ts";
import { useEngineWords } from "../../parts/engine_words.ts";
import { Moment, Money } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { LongText } from "../../parts/long_text.tsx";
import { isUuid, NoSuch } from "../../parts/no_such.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { Facts, PagedTable, Table } from "../../parts/table.tsx";
import { FigureText, JsonFacts, valueText } from "../../parts/values.tsx";
import { usePartWords } from "../../parts/words.ts";
import { Causes } from "./Causes.tsx";
import { useCauseWords } from "./cause_words.ts";
import {
  FindingDetail,
  type FindingDetailQuery,
  HealsOfKey,
  WritesToAccount,
} from "./health.documents.ts";
import { Writes } from "./Writes.tsx";
import { useHealthWords } from "./words.ts";

type Detail = NonNullable<FindingDetailQuery["finding"]>;

export function Screen() {
  const words = useHealthWords();
  useAttention();
  const engine = useEngineWords();
  const id = useParameter("id");
  const query = useDocument(FindingDetail, { id }, { enabled: isUuid(id) });
  if (!isUuid(id) || query.data?.finding === null) {
    return (
      <NoSuch title={words("finding")} to="/health">
        {words("notFound")}
      </NoSuch>
    );
  }
  const finding = query.data?.finding;
  return (
    <Page
      title={
        finding ? engine.rule(finding.rule, finding.balanceRuleByRule?.title) : words("finding")
      }
      lead={finding && `${finding.rule} ${finding.key}`}
    >
      <Loaded query={query} document={FindingDetail} lines={8}>
        {({ finding }) => finding && <Detail finding={finding} />}
      </Loaded>
    </Page>
  );
}

function Detail({ finding }: { finding: Detail }) {
  const words = useHealthWords();
  const { account, balanceRuleByRule: rule, checkRun } = finding;
  return (
    <>
      <Card title={words("whatMustHold")}>
        <p className="mb-3" lang="en">
          {rule?.description}
        </p>
        <Facts
          facts={[
            [
              words("account"),
              account && (
                <span key="account">
                  <Go to={`/accounts/${account.id}`}>{account.code}</Go> {account.name}{" "}
                  {account.frozenAt && <Badge tone="bad">{words("frozen")}</Badge>}
                </span>
              ),
            ],
            [
              words("stored"),
              <FigureText key="stored" text={finding.stored} currency={account?.currency} />,
            ],
            [
              words("derived"),
              <FigureText key="derived" text={finding.derived} currency={account?.currency} />,
            ],
            [
              words("difference"),
              <Money
                key="difference"
                amount={finding.difference}
                currency={account?.currency}
                signed
              />,
            ],
            [
              words("foundBy"),
              <span key="check">
                <Moment at={checkRun?.finishedAt} /> ({checkRun?.actor})
              </span>,
            ],
          ]}
        />
        <HealHint finding={finding} />
      </Card>
      <Causes finding={finding} />
      <Done finding={finding} />
      {account && <AccountWrites account={account.id} />}
      <More detail={finding.detail} />
    </>
  );
}

function HealHint({ finding }: { finding: Detail }) {
  const words = useHealthWords();
  const canHeal = finding.balanceRuleByRule?.healFunction !== null;
  return (
    <p className="mt-4">
      {words(canHeal ? "canBeHealed" : "cannotBeHealed")} <Go to="/heal">{words("toHeal")}</Go>
    </p>
  );
}

function Done({ finding: { rule, key } }: { finding: Detail }) {
  const words = useHealthWords();
  const terms = useCauseWords();
  const query = useDocument(HealsOfKey, { rule, key });
  return (
    <Card title={words("done")}>
      <Loaded query={query} document={HealsOfKey}>
        {({ healActions }) => (
          <Table
            caption={words("done")}
            rows={rowsOf(healActions)}
            keyOf={(each) => each.id}
            empty={words("nothingDone")}
            columns={[
              { title: words("when"), cell: (each) => <Moment at={each.healedAt} /> },
              { title: words("outcome"), cell: (each) => terms(each.outcome) },
              { title: words("who"), cell: (each) => each.actor },
              { title: words("reason"), cell: (each) => <LongText text={each.reason} lang="en" /> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}

function AccountWrites({ account }: { account: string }) {
  const words = useHealthWords();
  const partWords = usePartWords();
  const { query, rows } = usePages(WritesToAccount, { account }, ({ guardEvents }) => guardEvents);
  const writes = rows;
  return (
    <Card title={words("allWrites")}>
      {writes && writes.length > 0 ? (
        <>
          <Writes writes={writes} />
          {query.hasNextPage && (
            <button
              type="button"
              className="mt-3 min-h-11 text-brand underline"
              onClick={() => void query.fetchNextPage()}
            >
              {partWords("more")}
            </button>
          )}
        </>
      ) : (
        <PagedTable
          pages={{ query, rows: writes }}
          document={WritesToAccount}
          caption={words("allWrites")}
          keyOf={(each) => each.id}
          empty={words("noWrites")}
          columns={[]}
        />
      )}
    </Card>
  );
}

function More({ detail }: { detail: unknown }) {
  const words = useHealthWords();
  if (["null", "{}", "[]"].includes(valueText(detail))) return null;
  return (
    <details>
      <summary className="min-h-11 cursor-pointer py-2 font-semibold">{words("more")}</summary>
      <JsonFacts value={detail} />
    </details>
  );
}
