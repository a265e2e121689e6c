/** One rule over a user's own table: its SQL to review, its results, and who lets it heal. */
import { Badge, Card } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { Figure, Moment } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { NoSuch } from "../../parts/no_such.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { Facts, Table } from "../../parts/table.tsx";
import { OwnRule } from "./own_tables.documents.ts";
import { RuleActions } from "./RuleActions.tsx";
import type { Rule } from "./rule.ts";
import { useOwnTableWords } from "./words.ts";

const guards = { none: "guardNone", record: "guardRecord", refuse: "guardRefuse" } as const;

export function Screen() {
  const words = useOwnTableWords();
  const name = useParameter("name");
  const query = useDocument(OwnRule, { name });
  if (query.data?.registeredRule === null) {
    return (
      <NoSuch title={words("title")} to="/own-tables">
        {words("notFound")}
      </NoSuch>
    );
  }
  const rule = query.data?.registeredRule;
  return (
    <Page
      title={rule?.balanceRule?.title ?? name}
      lead={
        rule && (
          <>
            {name}{" "}
            <Badge tone={rule.balanceRule?.isEnabled ? "good" : "wait"}>
              {words(rule.balanceRule?.isEnabled ? "enabled" : "disabled")}
            </Badge>
          </>
        )
      }
      actions={rule && <RuleActions rule={rule} />}
    >
      <Loaded query={query} document={OwnRule} lines={8}>
        {({ registeredRule }) => registeredRule && <RuleParts rule={registeredRule} />}
      </Loaded>
    </Page>
  );
}

function RuleParts({ rule }: { rule: Rule }) {
  const words = useOwnTableWords();
  const heals = {
    none: words("healNone"),
    update: words("healUpdate"),
    function: words("healFunction", { name: rule.healFunction }),
  };
  const writers = [...rule.writerRoles, ...rule.writerApplications].filter(Boolean);
  return (
    <>
      <Card title={words("whatMustHold")}>
        <p className="mb-3">{rule.balanceRule?.description}</p>
        <Facts
          facts={[
            [words("table"), rule.storedTable ?? "–"],
            [words("column"), rule.balanceColumn ?? "–"],
            [words("key"), rule.keyColumn ?? "–"],
            [words("tolerance"), <Figure key="tolerance" value={rule.tolerance} />],
            [words("heal"), heals[rule.heal]],
            [words("guard"), words(guards[rule.guard])],
            [words("writers"), writers.length === 0 ? "–" : writers.join(", ")],
            [words("by"), rule.registeredBy],
            [words("at"), <Moment key="at" at={rule.registeredAt} />],
          ]}
        />
        <p className="mt-3">
          <Go to="/health" search={{ tab: "findings", rule: rule.name }}>
            {words("findings")}
          </Go>
        </p>
      </Card>
      <Card title={words("sql")}>
        <Sql title={words("derived")} text={rule.derived} />
        <Sql title={words("stored")} text={rule.stored} />
        {rule.items && <Sql title={words("items")} text={rule.items} />}
      </Card>
      <Results rule={rule} />
      <Approvals rule={rule} />
    </>
  );
}

function Sql({ title, text }: { title: string; text: string }) {
  return (
    <>
      <h3 className="mt-2 font-semibold">{title}</h3>
      <pre className="rounded bg-ground p-2 text-sm break-words whitespace-pre-wrap">
        {text.trim()}
      </pre>
    </>
  );
}

function Results({ rule }: { rule: Rule }) {
  const words = useOwnTableWords();
  return (
    <Card title={words("results")}>
      <Table
        caption={words("results")}
        rows={rowsOf(rule.balanceRule?.registeredRuleResultsByRule)}
        keyOf={({ checkRunId }) => checkRunId}
        empty={words("noResults")}
        columns={[
          { title: words("when"), cell: ({ checkRun }) => <Moment at={checkRun?.finishedAt} /> },
          {
            title: words("rows"),
            align: "right",
            cell: ({ rowCount }) => <Figure value={rowCount} />,
          },
          {
            title: words("differing"),
            align: "right",
            cell: ({ differingCount, checkRunId }) =>
              differingCount === "0" ? (
                <Figure value={differingCount} />
              ) : (
                <Go to="/health" search={{ tab: "findings", rule: rule.name, check: checkRunId }}>
                  <Figure value={differingCount} />
                </Go>
              ),
          },
        ]}
      />
    </Card>
  );
}

function Approvals({ rule }: { rule: Rule }) {
  const words = useOwnTableWords();
  return (
    <Card title={words("approvals")}>
      <Table
        caption={words("approvals")}
        rows={rowsOf(rule.balanceRule?.ruleApprovalsByRule)}
        keyOf={({ id }) => id}
        empty={words(rule.heal === "none" ? "neverHeals" : "noApprovals")}
        columns={[
          { title: words("when"), cell: ({ approvedAt }) => <Moment at={approvedAt} /> },
          { title: words("who"), cell: ({ approvedBy }) => approvedBy },
          { title: words("reason"), cell: ({ reason }) => reason },
          {
            title: words("state"),
            cell: ({ withdrawnAt, withdrawnBy }) =>
              withdrawnAt === null ? words("valid") : words("until", { person: withdrawnBy }),
          },
        ]}
      />
    </Card>
  );
}
