/** What heals have done, the newest first, and the way back. */
import { Badge } from "../../../shared/ui.tsx";
import { rowsOf, usePages } from "../../api/query_client.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Moment } from "../../parts/figures.tsx";
import { ChoiceFilter, FilterBar, useFilters } from "../../parts/filters.tsx";
import { LongText } from "../../parts/long_text.tsx";
import { CopyAs, CsvLink, sqlText } from "../../parts/share.tsx";
import { PagedTable } from "../../parts/table.tsx";
import { useCauseWords } from "../health/cause_words.ts";
import { HealActions, type HealActionsQuery, UndoHeal } from "./history.documents.ts";
import { About, AccountLink, Cached } from "./parts.tsx";
import { useHealWords } from "./words.ts";

type Action = NonNullable<NonNullable<HealActionsQuery["healActions"]>["nodes"][number]>;

/** What plans would do stands with the plans. */
const outcomes = [
  "healed",
  "undone",
  "needs_approval",
  "escalated",
  "refused",
  "already_clean",
] as const;

export function History() {
  const words = useHealWords();
  const terms = useCauseWords();
  const { filters } = useFilters();
  const outcome = outcomes.find((each) => each === filters["outcome"]);
  const filter = {
    outcome:
      outcome === undefined ? { in: ["healed" as const, "undone" as const] } : { equalTo: outcome },
  };
  const pages = usePages(HealActions, { filter }, ({ healActions }) => healActions);
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="heal-actions" filters={{ outcome: outcome ?? "changed" }} />
            <CopyAs
              document={HealActions}
              variables={{ filter }}
              sql={`select * from saldo.heal_action where ${
                outcome === undefined
                  ? "outcome in ('healed', 'undone')"
                  : `outcome = ${sqlText(outcome)}`
              } order by id desc;`}
            />
          </>
        }
      >
        <ChoiceFilter
          name="outcome"
          label={words("outcome")}
          options={outcomes.map((each) => [each, terms(each)] as const)}
        />
      </FilterBar>
      <PagedTable
        pages={pages}
        document={HealActions}
        caption={words("history")}
        keyOf={({ id }) => id}
        empty={words("noHistory")}
        columns={[
          { title: words("when"), cell: ({ healedAt }) => <Moment at={healedAt} /> },
          {
            title: words("about"),
            cell: ({ rule, key, finding }) => (
              <About rule={rule} of={key} findingId={finding?.id} />
            ),
          },
          { title: words("account"), cell: ({ account }) => <AccountLink account={account} /> },
          { title: words("outcome"), cell: (each) => <Outcome action={each} /> },
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
            title: words("reason"),
            cell: ({ reason, actor }) => (
              <>
                <LongText text={reason} lang="en" /> ({actor})
              </>
            ),
          },
        ]}
      />
    </>
  );
}

function Outcome({ action }: { action: Action }) {
  const words = useHealWords();
  const terms = useCauseWords();
  const isUndone = rowsOf(action.undos).length > 0;
  return (
    <div className="flex flex-wrap items-center gap-2">
      <span>{terms(action.outcome)}</span>
      {isUndone && <Badge tone="wait">{words("wasUndone")}</Badge>}
      {action.outcome === "healed" && !isUndone && (
        <ActionButton
          label={words("undo")}
          title={words("undoTitle")}
          document={UndoHeal}
          variables={(reason) => ({ action: action.id, reason })}
          needsReason
          submit={words("undo")}
          look="bad"
          onDone={() => words("undone")}
        >
          <p>{words("undoHelp")}</p>
          <p>
            <Cached cache={action.after} currency={action.account?.currency} /> →{" "}
            <Cached cache={action.before} currency={action.account?.currency} />
          </p>
        </ActionButton>
      )}
    </div>
  );
}
