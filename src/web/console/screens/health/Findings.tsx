/** Findings of the last check, or of the one that the address names, by rule, cause and account. */
import { rowsOf, useDocument, usePages } from "../../api/query_client.ts";
import { useEngineWords } from "../../parts/engine_words.ts";
import { Money } from "../../parts/figures.tsx";
import { ChoiceFilter, FilterBar, filterOrNone, useFilters } from "../../parts/filters.tsx";
import { isNumberName, isUuid } from "../../parts/no_such.tsx";
import { Go } from "../../parts/page.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { FigureText } from "../../parts/values.tsx";
import { useCauseWords } from "./cause_words.ts";
import {
  type FindingCause,
  Findings as FindingsDocument,
  type FindingsQuery,
  Health,
  HealthByRule,
} from "./health.documents.ts";
import { useHealthWords } from "./words.ts";

const causes: readonly FindingCause[] = [
  "out_of_band_write",
  "journal_changed",
  "sync_trigger_disabled",
  "cache_forced",
  "record_changed",
  "doubled_item",
  "missing_item",
  "unapplied_item",
  "unrecorded_item",
  "uncounted_items",
  "work_stopped",
  "engine_changed",
  "clock_set_back",
  "rule_failed",
  "unknown",
];

const causeOf = (text: string | undefined) => causes.find((each) => each === text);

/** The check that is looked at: the one of the address, or the last. */
function useCheck(): string | undefined {
  const { filters } = useFilters();
  const last = useDocument(Health, {});
  const { check } = filters;
  return (
    (check !== undefined && isUuid(check) ? check : undefined) ??
    last.data?.healthSummary?.checkRunId ??
    undefined
  );
}

export function Findings() {
  const words = useHealthWords();
  const { filters } = useFilters();
  const check = useCheck();
  const { rule } = filters;
  const account = isNumberName(filters["account"] ?? "") ? filters["account"] : undefined;
  const cause = causeOf(filters["cause"]);
  const filter = filterOrNone({
    ...(check && { checkRunId: { equalTo: check } }),
    ...(rule && { rule: { equalTo: rule } }),
    ...(cause && { cause: { equalTo: cause } }),
    ...(account && { accountId: { equalTo: account } }),
  });
  const { query, rows } = usePages(FindingsDocument, { filter }, ({ findings }) => findings, {
    enabled: check !== undefined,
  });
  const last = useDocument(Health, {});
  const isEmpty = last.data?.healthSummary === null;
  return (
    <>
      <FindingFilters
        extra={
          <>
            <CsvLink name="findings" filters={{ check, rule, cause, account }} />
            <CopyAs
              document={FindingsDocument}
              variables={{ filter }}
              sql={sqlOf({ check, rule, cause, account })}
            />
          </>
        }
      />
      <p className="text-soft">{words(filters["check"] ? "olderCheck" : "lastCheckOnly")}</p>
      <FindingTable pages={{ query, rows: isEmpty ? [] : rows }} />
    </>
  );
}

function FindingFilters({ extra }: { extra: React.ReactNode }) {
  const words = useHealthWords();
  const terms = useCauseWords();
  const engine = useEngineWords();
  const rules = useDocument(HealthByRule, { check: null });
  const options = rowsOf(rules.data?.healthByRule).map(({ rule, title }): [string, string] => [
    rule ?? "",
    engine.rule(rule, title),
  ]);
  return (
    <FilterBar extra={extra}>
      <ChoiceFilter name="rule" label={words("rule")} options={options} />
      <ChoiceFilter
        name="cause"
        label={words("cause")}
        options={causes.map((each) => [each, terms(each)] as const)}
      />
    </FilterBar>
  );
}

type Row = NonNullable<NonNullable<FindingsQuery["findings"]>["nodes"][number]>;

function FindingTable({
  pages: { query, rows },
}: {
  pages: Parameters<typeof PagedTable<Row>>[0]["pages"];
}) {
  const words = useHealthWords();
  const terms = useCauseWords();
  return (
    <PagedTable
      pages={{ query, rows }}
      document={FindingsDocument}
      caption={words("list")}
      keyOf={(each) => each.id}
      empty={words("noFindings")}
      columns={[
        {
          title: words("finding"),
          cell: ({ id, rule, key }) => (
            <Go to={`/health/findings/${id}`}>
              {rule} {key}
            </Go>
          ),
        },
        {
          title: words("account"),
          cell: ({ account }) =>
            account && (
              <>
                <Go to={`/accounts/${account.id}`}>{account.code}</Go> {account.name}
              </>
            ),
        },
        {
          title: words("stored"),
          align: "right",
          cell: ({ stored, account }) => <FigureText text={stored} currency={account?.currency} />,
        },
        {
          title: words("derived"),
          align: "right",
          cell: ({ derived, account }) => (
            <FigureText text={derived} currency={account?.currency} />
          ),
        },
        {
          title: words("difference"),
          align: "right",
          cell: ({ difference, account }) => (
            <Money amount={difference} currency={account?.currency} signed />
          ),
        },
        { title: words("cause"), cell: (each) => terms(each.cause) },
      ]}
    />
  );
}

/** The same question in SQL. */
function sqlOf(filters: { readonly [name: string]: string | undefined }): string {
  const columns = [
    ["check", "check_run_id"],
    ["rule", "rule"],
    ["cause", "cause"],
    ["account", "account_id"],
  ] as const;
  const parts = columns.flatMap(([name, column]) =>
    filters[name] ? [`${column} = ${sqlText(filters[name])}`] : [],
  );
  const where = parts.length === 0 ? "" : `\nwhere ${parts.join("\nand ")}`;
  return `select *\nfrom saldo.finding${where}\norder by rule, id;`;
}
