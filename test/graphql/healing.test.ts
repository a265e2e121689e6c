import test from "ava";
import { openApi } from "../_support/api.ts";

const api = await openApi();
const anna = await api.member("anna", "1900000");
test.after.always(() => api.close());

const AUTO_HEAL = `mutation {
  autoHeal(input: { dryRun: false }) { result { healedCount needsApprovalCount } }
}`;
const PROPOSALS = `query {
  healProposals(filter: { status: { equalTo: proposed } }) { nodes { id rule key reason } }
}`;
const FREEZE = `mutation {
  freezeAccount(input: { accountId: "${anna.accountId}", reason: "?" }) { result { frozenAt } }
}`;
const ADJUST = `mutation {
  adjustBalance(input: { accountId: "${anna.accountId}", newBalance: "9400", reason: "counted" }) {
    result { journalBalance newBalance }
  }
}`;
const approvalOf = (proposalId: string) => `mutation {
  approveHeal(input: { proposalId: "${proposalId}", reason: "seen" }) { result { outcome } }
}`;

test.serial("a wrong balance is healed, approved, frozen and adjusted over GraphQL", async (t) => {
  await api.root("select saldo.set_heal_policy('account_balance', max_amount => 1)");
  await api.root(`do $$ begin
    set local session_replication_role = replica;
    update saldo.account set credit_total = 1500000 where id = ${Number(anna.accountId)};
  end $$`);
  const run = await api.post(AUTO_HEAL);
  t.deepEqual(run.data.autoHeal.result, { healedCount: 0, needsApprovalCount: 1 });
  const { data } = await api.post(PROPOSALS);
  const [proposal] = data.healProposals.nodes;
  t.like(proposal, { rule: "account_balance", key: anna.accountId });

  const approve = approvalOf(proposal.id);
  t.is((await api.post(approve)).code, "SB621", "not by the one who proposed");
  const budi = await api.token({ sub: "budi" });
  const approved = await api.post(approve, {}, budi);
  t.deepEqual(approved.data.approveHeal.result, { outcome: "healed" });
  const frozen = await api.post(FREEZE);
  t.truthy(frozen.data.freezeAccount.result.frozenAt);
  const own = await api.post(
    "{ accounts { nodes { frozenAt frozenReason balance } } }",
    {},
    await api.memberToken(anna.id),
  );
  t.like(own.data.accounts.nodes[0], { frozenReason: "?", balance: "1900000" });
  const adjusted = await api.post(ADJUST);
  t.deepEqual(adjusted.data.adjustBalance.result, {
    journalBalance: "1900000",
    newBalance: "9400",
  });

  for (const operation of [AUTO_HEAL, approve, FREEZE, ADJUST]) {
    t.is((await api.post(operation, {}, await api.memberToken(anna.id))).code, "SB006");
    t.is((await api.post(operation, {}, await api.token({ role: "operator" }))).code, "SB006");
  }
});
