import test from "ava";
import { createClient } from "graphql-ws";
import { openApi } from "../_support/api.ts";

/** attentionChanged: what needs a person is told to those who may see it, and to nobody else. */

const api = await openApi();
test.after.always(() => api.close());

const QUERY = "subscription { attentionChanged { event } }";

// biome-ignore lint/suspicious/noExplicitAny: tests read what they have asked for
function follow(t: { teardown(work: () => void): void }, token: string): AsyncGenerator<any> {
  const client = createClient({
    url: `${api.url.replace("http", "ws")}/graphql`,
    retryAttempts: 0,
    connectionParams: { Authorization: `Bearer ${token}` },
  });
  t.teardown(() => void client.dispose());
  return client.iterate({ query: QUERY }) as AsyncGenerator<unknown>;
}

test.serial("checks, alerts, freezes and decisions are told, each by its kind", async (t) => {
  const events = follow(t, await api.token({ role: "operator" }));
  const next = async () => (await events.next()).value?.data?.attentionChanged?.event;
  t.is(await next(), "subscribed");
  await api.root("select from saldo.check_balance_health()");
  t.is(await next(), "check");
  const { accountId } = await api.member("frozen");
  await api.root("select from saldo.freeze_account($1, 'looks odd')", [accountId]);
  t.is(await next(), "freeze");
  await api.root("select from saldo.propose_unfreeze($1, 'is fine')", [accountId]);
  t.is(await next(), "decision");
  await api.root("select from saldo.evaluate_alerts()");
  t.is(await next(), "alert");
});

test.serial("a member is refused, and hears nothing", async (t) => {
  const { id } = await api.member("curious");
  const events = follow(t, await api.memberToken(id));
  const { value } = await events.next();
  t.is(value.errors[0].extensions.code, "SB006");
});

test.serial("a word that nobody of us says is no event", async (t) => {
  const events = follow(t, await api.token({}));
  await events.next();
  await api.root("select pg_notify('saldo:attention', 'junk')");
  await api.root("select from saldo.check_balance_health()");
  t.is((await events.next()).value.data.attentionChanged.event, "check");
});
