/** The registered rules, and whether they heal. */
import { Badge } from "../../../shared/ui.tsx";
import { rowsOf, usePages } from "../../api/query_client.ts";
import { useMay } from "../../api/session.ts";
import { Figure } from "../../parts/figures.tsx";
import { Go } from "../../parts/page.tsx";
import { type Column, PagedTable } from "../../parts/table.tsx";
import { OwnRules, type OwnRulesQuery } from "./own_tables.documents.ts";
import { RegisterRule } from "./proposals.documents.ts";
import { useOwnTableWords } from "./words.ts";

type Rule = NonNullable<NonNullable<OwnRulesQuery["registeredRules"]>["nodes"][number]>;

const guards = { none: "guardNone", record: "guardRecord", refuse: "guardRefuse" } as const;

export function RuleList() {
  const words = useOwnTableWords();
  const may = useMay(RegisterRule as never);
  const pages = usePages(OwnRules, {}, ({ registeredRules }) => registeredRules, {
    everySeconds: 60,
  });
  const columns = useColumns();
  const isEmpty = pages.rows?.length === 0;
  return (
    <>
      {!isEmpty && (
        <PagedTable
          pages={pages}
          document={OwnRules}
          caption={words("rules")}
          keyOf={({ name }) => name}
          columns={columns}
        />
      )}
      {pages.rows && (
        <p>
          {isEmpty && words("noRules")}{" "}
          {may && (
            <Go to="/own-tables" search={{ tab: "proposals" }}>
              {words("more")}
            </Go>
          )}
        </p>
      )}
    </>
  );
}

function useColumns(): readonly Column<Rule>[] {
  const words = useOwnTableWords();
  const resultOf = (rule: Rule) => rowsOf(rule.balanceRule?.registeredRuleResultsByRule)[0];
  return [
    {
      title: words("rule"),
      cell: ({ name, balanceRule }) => (
        <Go to={`/own-tables/${name}`}>{balanceRule?.title ?? name}</Go>
      ),
    },
    { title: words("table"), cell: ({ storedTable }) => storedTable },
    {
      title: words("state"),
      cell: ({ balanceRule }) => (
        <Badge tone={balanceRule?.isEnabled ? "good" : "wait"}>
          {words(balanceRule?.isEnabled ? "enabled" : "disabled")}
        </Badge>
      ),
    },
    { title: words("approval"), cell: (rule) => <Heals rule={rule} /> },
    { title: words("guard"), cell: ({ guard }) => words(guards[guard]) },
    {
      title: words("rows"),
      align: "right",
      cell: (rule) => <Figure value={resultOf(rule)?.rowCount} />,
    },
    {
      title: words("differing"),
      align: "right",
      cell: (rule) => <Figure value={resultOf(rule)?.differingCount} />,
    },
  ];
}

function Heals({ rule: { heal, balanceRule } }: { rule: Rule }) {
  const words = useOwnTableWords();
  const [approval] = rowsOf(balanceRule?.ruleApprovalsByRule);
  if (heal === "none") return words("neverHeals");
  return approval === undefined
    ? words("notApproved")
    : words("approved", { person: approval.approvedBy });
}
