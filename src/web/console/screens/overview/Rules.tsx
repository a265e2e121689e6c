/** Rule by rule what the last check found; those that found something stand first. */
import { useState } from "react";
import { Badge, Button, Card } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useEngineWords } from "../../parts/engine_words.ts";
import { Figure, Money } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go } from "../../parts/page.tsx";
import { CsvLink } from "../../parts/share.tsx";
import { Table } from "../../parts/table.tsx";
import { RulesOfLastCheck, type RulesOfLastCheckQuery } from "./overview.documents.ts";
import { useOverviewWords } from "./words.ts";

type Rule = NonNullable<NonNullable<RulesOfLastCheckQuery["healthByRule"]>["nodes"][number]>;

export function Rules() {
  const words = useOverviewWords();
  const query = useDocument(RulesOfLastCheck, {});
  return (
    <Card title={words("rules")}>
      <Loaded query={query} document={RulesOfLastCheck}>
        {({ healthByRule }) => <RuleTable rules={rowsOf(healthByRule)} />}
      </Loaded>
    </Card>
  );
}

function RuleTable({ rules }: { rules: readonly Rule[] }) {
  const words = useOverviewWords();
  const engine = useEngineWords();
  const [areAllShown, showAll] = useState(false);
  const broken = rules.filter(({ findingCount }) => findingCount !== "0");
  const shown = areAllShown
    ? [...broken, ...rules.filter((each) => !broken.includes(each))]
    : broken;
  return (
    <>
      <p className={broken.length === 0 ? "text-good" : "text-bad"}>
        {words("rulesHeld", { held: rules.length - broken.length, all: rules.length })}
      </p>
      {shown.length > 0 && (
        <Table
          caption={words("rules")}
          rows={shown}
          keyOf={({ rule }) => rule ?? ""}
          columns={[
            { title: words("rule"), cell: ({ title, rule }) => engine.rule(rule, title) },
            { title: words("room"), cell: ({ room }) => engine.room(room) },
            {
              title: words("findings"),
              align: "right",
              cell: ({ findingCount, rule }) =>
                findingCount === "0" ? (
                  <Badge tone="good">{words("holds")}</Badge>
                ) : (
                  <Go to="/health" search={{ rule: rule ?? undefined }}>
                    <Figure value={findingCount} />
                  </Go>
                ),
            },
            {
              title: words("difference"),
              align: "right",
              cell: ({ differenceSum }) => <Money amount={differenceSum} />,
            },
          ]}
        />
      )}
      <div className="mt-3 flex flex-wrap gap-2">
        <Button onClick={() => showAll(!areAllShown)} aria-expanded={areAllShown}>
          {words(areAllShown ? "showBroken" : "showAll")}
        </Button>
        <CsvLink name="rules" />
      </div>
    </>
  );
}
