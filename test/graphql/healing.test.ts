import { readFile } from "node:fs/promises";
import test from "ava";
import { openApi } from "../_support/api.ts";

const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
const api = await openApi();
const anna = await api.member("anna", "1900000");
test.after.always(() => api.close());

/** The operations that the section shows, for these ids. */
function operationsOf(proposalId: string): string[] {
  const block = /Over GraphQL the same[\s\S]*?```graphql\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  return block
    .replaceAll('"..."', `"${proposalId}"`)
    .replaceAll('"12"', `"${anna.accountId}"`)
    .split(/^(?=mutation|query)/m);
}

test.serial("what README says about a wrong balance works over GraphQL", async (t) => {
  await api.root("select saldo.set_heal_policy('account_balance', max_amount => 1)");
  await api.root(`do $$ begin
    set local session_replication_role = replica;
    update saldo.account set credit_total = 1500000 where id = ${Number(anna.accountId)};
  end $$`);
  const [autoHeal = "", list = ""] = operationsOf("");
  const run = await api.post(autoHeal);
  t.deepEqual(run.data.autoHeal.result, { healedCount: 0, needsApprovalCount: 1 });
  const { data } = await api.post(list);
  const [proposal] = data.healProposals.nodes;
  t.like(proposal, { rule: "account_balance", key: anna.accountId });

  const [, , approve = "", freeze = "", adjust = "", ...others] = operationsOf(proposal.id);
  t.deepEqual(others, []);
  t.is((await api.post(approve)).code, "SB621", "not by the one who proposed");
  const budi = await api.token({ sub: "budi" });
  const approved = await api.post(approve, {}, budi);
  t.deepEqual(approved.data.approveHeal.result, { outcome: "healed" });
  const frozen = await api.post(freeze);
  t.truthy(frozen.data.freezeAccount.result.frozenAt);
  const own = await api.post(
    "{ accounts { nodes { frozenAt frozenReason balance } } }",
    {},
    await api.memberToken(anna.id),
  );
  t.like(own.data.accounts.nodes[0], { frozenReason: "?", balance: "1900000" });
  const adjusted = await api.post(adjust);
  t.deepEqual(adjusted.data.adjustBalance.result, {
    journalBalance: "1900000",
    newBalance: "9400",
  });

  for (const operation of [autoHeal, approve, freeze, adjust]) {
    t.is((await api.post(operation, {}, await api.memberToken(anna.id))).code, "SB006");
    t.is((await api.post(operation, {}, await api.token({ role: "operator" }))).code, "SB006");
  }
});
