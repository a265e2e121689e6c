/** What the last check found, rule by rule: what is violated first, and all that holds below. */
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useEngineWords } from "../../parts/engine_words.ts";
import { Figure } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { Go } from "../../parts/page.tsx";
import { type Column, Table } from "../../parts/table.tsx";
import { useCauseWords } from "./cause_words.ts";
import { HealthByRule, type HealthByRuleQuery } from "./health.documents.ts";
import { useHealthWords } from "./words.ts";

type Rule = NonNullable<NonNullable<HealthByRuleQuery["healthByRule"]>["nodes"][number]>;

export function ByRule() {
  const query = useDocument(HealthByRule, { check: null }, { everySeconds: 60 });
  return (
    <Loaded query={query} document={HealthByRule} lines={6}>
      {({ healthByRule }) => <Rules rules={rowsOf(healthByRule)} />}
    </Loaded>
  );
}

const isWrong = (rule: Rule) => rule.findingCount !== "0";

function Rules({ rules }: { rules: readonly Rule[] }) {
  const engine = useEngineWords();
  const words = useHealthWords();
  const wrong = rules.filter(isWrong);
  const right = rules.filter((each) => !isWrong(each));
  return (
    <>
      <section>
        <h2 className="text-lg font-bold">{words("wrong", { count: wrong.length })}</h2>
        <WrongRules rules={wrong} />
      </section>
      <details>
        <summary className="min-h-11 cursor-pointer py-2 font-semibold">
          {words("inOrder", { count: right.length })}
        </summary>
        <Table
          caption={words("inOrder", { count: right.length })}
          rows={right}
          keyOf={(each) => each.rule ?? ""}
          columns={[
            { title: words("rule"), cell: ({ rule, title }) => engine.rule(rule, title) },
            { title: words("room"), cell: ({ room }) => engine.room(room) },
          ]}
        />
      </details>
    </>
  );
}

function WrongRules({ rules }: { rules: readonly Rule[] }) {
  const engine = useEngineWords();
  const words = useHealthWords();
  const terms = useCauseWords();
  const columns: readonly Column<Rule>[] = [
    {
      title: words("rule"),
      cell: ({ rule, title }) => (
        <Go to="/health" search={{ tab: "findings", rule: rule ?? undefined }}>
          {engine.rule(rule, title)}
        </Go>
      ),
    },
    {
      title: words("findings"),
      align: "right",
      cell: (each) => <Figure value={each.findingCount} />,
    },
    {
      title: words("accountsConcerned"),
      align: "right",
      cell: (each) => <Figure value={each.accountCount} />,
    },
    {
      title: words("amount"),
      align: "right",
      cell: (each) => <Figure value={each.differenceSum} />,
    },
    {
      title: words("largest"),
      align: "right",
      cell: (each) => <Figure value={each.differenceMax} />,
    },
    { title: words("mostCause"), cell: (each) => terms(each.cause ?? "unknown") },
    {
      title: words("canHeal"),
      cell: (each) => (each.canHeal ? words("yes") : words("byPerson")),
    },
  ];
  return (
    <Table
      caption={words("byRule")}
      rows={rules}
      keyOf={(each) => each.rule ?? ""}
      empty={words("noneWrong")}
      columns={columns}
    />
  );
}
