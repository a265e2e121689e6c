/** The last question before a plan is applied: how many, how much, and by which plan. */
import { useNavigate } from "@tanstack/react-router";
import { Notice } from "../../../shared/ui.tsx";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Figure, Money } from "../../parts/figures.tsx";
import { ApplyHealPlan } from "./plan.documents.ts";
import { countOf, type Run, type Total } from "./run_totals.ts";
import { useHealWords } from "./words.ts";

export function Apply({ run, totals }: { run: Run; totals: readonly Total[] }) {
  const words = useHealWords();
  const navigate = useNavigate();
  const count = countOf(totals, "would_heal");
  const proposalCount = run.needsApprovalCount + run.escalatedCount;
  const { planHash } = run;
  if (planHash === null) return null;
  if (count + proposalCount + run.refusedCount === 0) {
    return <Notice weight="warn">{words("nothingToApply")}</Notice>;
  }
  return (
    <ActionButton
      label={words("apply")}
      look="main"
      title={words("apply")}
      document={ApplyHealPlan}
      variables={() => ({ planHash })}
      submit={words("apply")}
      {...(count > 1 && { confirmWord: String(count) })}
      onDone={({ autoHeal }) => {
        void navigate({ to: `/heal/runs/${autoHeal?.result?.id}` });
        return words("applied", { count: autoHeal?.result?.healedCount ?? 0 });
      }}
    >
      <p>{count > 0 ? words("applyCount", { count }) : words("applyNone")}</p>
      <Sums totals={totals} />
      {proposalCount > 0 && <p>{words("applyProposals", { count: proposalCount })}</p>}
      {run.refusedCount > 0 && <p>{words("applyFreeze")}</p>}
      <p className="text-sm text-soft">{words("applyHash", { hash: planHash.slice(0, 12) })}</p>
    </ActionButton>
  );
}

function Sums({ totals }: { totals: readonly Total[] }) {
  const healed = totals.filter(({ outcome }) => outcome === "would_heal");
  return (
    <ul>
      {healed.map(({ rule, currency, findingCount, differenceSum }) => (
        <li key={`${rule} ${currency}`} className="flex flex-wrap justify-between gap-2">
          <span>
            {rule}: <Figure value={findingCount} />
          </span>
          {currency === null ? (
            <Figure value={differenceSum} />
          ) : (
            <Money amount={differenceSum} currency={currency} />
          )}
        </li>
      ))}
    </ul>
  );
}
