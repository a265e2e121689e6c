/** What an administrator may do with a rule: let it heal, switch it off, and on again. */
import { rowsOf } from "../../api/query_client.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { ApproveRule, DisableRule, EnableRule } from "./own_tables.documents.ts";
import type { Rule } from "./rule.ts";
import { useOwnTableWords } from "./words.ts";

export function RuleActions({ rule }: { rule: Rule }) {
  const words = useOwnTableWords();
  const { name } = rule;
  return (
    <>
      <Approve rule={rule} />
      {rule.balanceRule?.isEnabled ? (
        <ActionButton
          label={words("disable")}
          title={words("disableTitle", { name })}
          document={DisableRule}
          variables={() => ({ name })}
          submit={words("disable")}
          look="bad"
          onDone={() => words("disabledNow")}
        >
          <p>{words("disableHelp")}</p>
        </ActionButton>
      ) : (
        <ActionButton
          label={words("enable")}
          title={words("enableTitle", { name })}
          document={EnableRule}
          variables={() => ({ name })}
          submit={words("enable")}
          onDone={() => words("enabledNow")}
        >
          <p>{words("enableHelp")}</p>
        </ActionButton>
      )}
    </>
  );
}

/** A rule that heals nothing yet is approved against the result of the last check of it. */
function Approve({ rule }: { rule: Rule }) {
  const words = useOwnTableWords();
  const [result] = rowsOf(rule.balanceRule?.registeredRuleResultsByRule);
  const isApproved = rowsOf(rule.balanceRule?.ruleApprovalsByRule).some(
    ({ withdrawnAt }) => withdrawnAt === null,
  );
  if (result === undefined || rule.heal === "none" || isApproved) return null;
  const { checkRunId, rowCount, differingCount } = result;
  return (
    <ActionButton
      label={words("approve")}
      look="main"
      title={words("approveTitle", { name: rule.name })}
      document={ApproveRule}
      variables={(reason) => ({ name: rule.name, check: checkRunId, reason })}
      needsReason
      submit={words("approve")}
      onDone={() => words("approvedNow")}
    >
      <p>{words("approveHelp", { differing: differingCount, rows: rowCount })}</p>
    </ActionButton>
  );
}
