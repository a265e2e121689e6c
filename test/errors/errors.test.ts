import test from "ava";
import { describeDatabaseError } from "../../src/errors/database_error.ts";
import { CATALOGUE } from "../../src/errors/refusal.ts";
import { openApi } from "../_support/api.ts";

const FAULTS = `
  create function saldo.raise_fault(sqlstate_code text) returns integer
  language plpgsql volatile security definer set search_path = saldo, pg_temp as $$
  begin
    raise exception using errcode = sqlstate_code, message = 'select secret from hidden',
      detail = 'hidden detail', hint = 'hidden hint';
  end $$;
  create function saldo.sleep_long() returns integer
  language sql volatile set search_path = saldo, pg_temp as $$ select 1 from pg_sleep(30) $$;
  create function saldo.end_connection() returns boolean
  language sql volatile security definer set search_path = saldo, pg_temp
  as $$ select pg_terminate_backend(pg_backend_pid()) $$;
  grant execute on function saldo.raise_fault, saldo.sleep_long, saldo.end_connection
  to saldo_admin;
`;

const api = await openApi({ prepare: FAULTS, config: { statementTimeoutMs: 2000 } });
test.after.always(() => api.close());

const raise = (sqlstate: string) =>
  api.post(`mutation { raiseFault(input: { sqlstateCode: "${sqlstate}" }) { result } }`);

test("the server's texts are those of the catalogue", async (t) => {
  const rows = await api.root(
    "select condition, code, message, hint, http_status as status from saldo.error_code",
  );
  for (const [condition, entry] of Object.entries(CATALOGUE)) {
    const row = rows.find((candidate) => candidate.condition === condition);
    t.deepEqual(row, { condition, ...entry }, condition);
  }
});

test("states that PostgreSQL itself raises get codes of the catalogue", async (t) => {
  const expected = {
    "42501": "SB006",
    "22P02": "SB010",
    "22007": "SB010",
    "22008": "SB010",
    "22003": "SB010",
    "22021": "SB008",
    "22P05": "SB008",
    "23505": "SB014",
    "40001": "SB015",
    "40P01": "SB015",
    "55P03": "SB015",
  };
  for (const [sqlstate, code] of Object.entries(expected)) {
    const answer = await raise(sqlstate);
    t.is(answer.code, code, sqlstate);
    t.is(answer.status, 200);
    t.false(answer.text.includes("hidden detail") || answer.text.includes("hidden hint"), sqlstate);
  }
});

test("a constraint that says more than its state is told by its own code", (t) => {
  const codeOf = (constraint: string) =>
    describeDatabaseError({ code: "23505", message: "", constraint })?.extensions.code;
  t.is(codeOf("hold_is_placed_once_per_key"), "SB022");
  t.is(codeOf("sub_balance_account_id_slot_no_seq_key"), "SB121");
  t.is(codeOf("product_code_key"), "SB014");
  const total = { code: "23514", message: "", constraint: "total_is_in_range" };
  t.is(describeDatabaseError(total)?.extensions.code, "SB004");
});

test("anything else is masked, under an id that is in the log with the cause", async (t) => {
  for (const sqlstate of ["XX000", "42P01", "42601", "23503", "P0001", "22012"]) {
    const answer = await raise(sqlstate);
    t.is(answer.code, "SB017", sqlstate);
    t.false(/hidden|secret/.test(answer.text), sqlstate);
    const errorId = answer.errors?.[0]?.extensions.errorId;
    const entry = api.log.find((line) => line.errorId === errorId);
    t.is(entry?.sqlstate, sqlstate);
  }
});

test("a statement that takes too long is stopped and says so", async (t) => {
  const startedAt = performance.now();
  t.is((await api.post("mutation { sleepLong(input: {}) { result } }")).code, "SB016");
  t.true(performance.now() - startedAt < 25_000, "of thirty seconds");
});

test("a connection that dies under a request is no end of the server", async (t) => {
  const answer = await api.post("mutation { endConnection(input: {}) { result } }");
  t.is(answer.code, "SB019");
  t.is(
    (await api.post("{ errorCodes(first: 1) { nodes { code } } }")).data.errorCodes.nodes.length,
    1,
  );
});

test("a rule whose query takes all the time of the request has a code of its own", async (t) => {
  const derived = `select 1 as key, count(*) as derived
    from generate_series(1, (select 1000000 + 0 * count(*) from pg_catalog.pg_am)) as a
    cross join generate_series(1, (select 1000000 + 0 * count(*) from pg_catalog.pg_am)) as b`;
  const answer = await api.post(
    `mutation ($derived: String!) {
      registerBalanceRule(input: {
        name: "slow", stored: "select 1 as key, 1 as stored", derived: $derived
      }) { result { name } }
    }`,
    { derived },
  );
  t.is(answer.code, "SB644");
});
