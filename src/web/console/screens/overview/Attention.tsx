/** What waits for a person: alerts, decisions of a second person, heals that need approval. */
import type { ReactNode } from "react";
import { Badge, Card } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useEngineWords } from "../../parts/engine_words.ts";
import { Moment, Money } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go } from "../../parts/page.tsx";
import { actionName } from "../decisions/action_name.ts";
import { useDecisionWords } from "../decisions/words.ts";
import { type AttentionQuery, Attention as Document } from "./overview.documents.ts";
import { useOverviewWords } from "./words.ts";

export function Attention() {
  const words = useOverviewWords();
  const query = useDocument(Document, {});
  return (
    <Card title={words("attention")}>
      <Loaded query={query} document={Document}>
        {(data) => <List data={data} />}
      </Loaded>
    </Card>
  );
}

function List({ data }: { data: AttentionQuery }) {
  const words = useOverviewWords();
  const decisionWords = useDecisionWords();
  const engine = useEngineWords();
  const alerts = rowsOf(data.alerts);
  const decisions = rowsOf(data.decisions);
  const proposals = rowsOf(data.healProposals);
  const places = placesOf(data);
  if (alerts.length + decisions.length + proposals.length === 0) {
    return <p className="text-good">{words("nothingWaits")}</p>;
  }
  return (
    <>
      <ul className="flex flex-col divide-y divide-line">
        {alerts.map((alert) => (
          <Item
            key={alert.id}
            kind={words("alert")}
            at={alert.openedAt}
            isBad={alert.severity === "critical"}
          >
            <Go to={`/alerts/${alert.id}`}>{engine.alert(alert.condition, alert.title)}</Go>
            {alert.acknowledgedAt !== null && <> ({words("seen")})</>}
          </Item>
        ))}
        {decisions.map((decision) => (
          <Item key={decision.id} kind={words("decision")} at={decision.proposedAt}>
            <Go to="/decisions">{actionName(decision.action, decisionWords)}</Go>{" "}
            {decision.amount !== null && (
              <Money amount={decision.amount} currency={decision.currency} />
            )}{" "}
            {words("by", { person: decision.proposedBy })}
          </Item>
        ))}
        {proposals.map((proposal) => (
          <Item
            key={proposal.id}
            kind={words("proposal")}
            at={proposal.proposedAt}
            isBad={proposal.isEscalated}
          >
            <Go to="/heal" search={waiting}>
              {engine.rule(proposal.rule, proposal.balanceRuleByRule?.title)}
            </Go>{" "}
            <Money amount={proposal.difference} signed />{" "}
            {words("by", { person: proposal.proposedBy })}
          </Item>
        ))}
      </ul>
      <p className="flex flex-wrap gap-x-4 gap-y-1 pt-3">
        {places.map(({ name, connection, to, search }) =>
          rowsOf<unknown>(connection).length === 0 ? null : (
            <span key={name}>
              {connection?.pageInfo.hasNextPage && (
                <>{words("notAll", { count: rowsOf<unknown>(connection).length })} </>
              )}
              <Go to={to} search={search}>
                {words(name)}
              </Go>
            </span>
          ),
        )}
      </p>
    </>
  );
}

/** The list of each kind, filtered to what waits. */
const placesOf = ({ alerts, decisions, healProposals }: AttentionQuery) =>
  [
    { name: "allAlerts", connection: alerts, to: "/alerts", search: {} },
    { name: "allDecisions", connection: decisions, to: "/decisions", search: {} },
    { name: "allProposals", connection: healProposals, to: "/heal", search: waiting },
  ] as const;

const waiting = { tab: "proposals", status: "proposed" };

function Item({
  kind,
  at,
  isBad = false,
  children,
}: {
  kind: string;
  at: string;
  isBad?: boolean;
  children: ReactNode;
}) {
  return (
    <li className="flex flex-wrap items-center gap-x-3 gap-y-1 py-2">
      <Badge tone={isBad ? "bad" : "wait"}>{kind}</Badge>
      <span className="min-w-44 flex-1 break-words">{children}</span>
      <span className="text-sm text-soft">
        <Moment at={at} />
      </span>
    </li>
  );
}
