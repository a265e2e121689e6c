/** What nobody may register, and what is said about it. */

/** Arguments of a rule whose query of that name is another one. */
export const query = (name: "stored" | "derived" | "items", text: string) =>
  name === "stored"
    ? { stored: text, stored_table: null, key_column: null, balance_column: null }
    : { [name]: text };

/** Queries that are refused, with the code and what the detail says. */
export const refusedQueries: [string, object, string, RegExp][] = [
  ["two statements", query("derived", "select 1; drop table public.users"), "SB640", /multi-query/],
  [
    "a query that closes what it did not open",
    query("derived", "select 1) as q; delete from public.users; select * from (select 1"),
    "SB640",
    /syntax error/,
  ],
  ["no statement", query("derived", " "), "SB640", /characters/],
  ["a comment", query("derived", "-- select 1"), "SB640", /multi-query/],
  ["a syntax error", query("derived", "selec 1"), "SB640", /syntax error/],
  ["a table without schema", query("derived", "select * from users"), "SB640", /does not exist/],
  ["a parameter", query("derived", "select $1 as key, 1 as derived"), "SB640", /parameter/],
  ["EXPLAIN", query("derived", "explain select 1"), "SB640", /syntax error/],
  [
    "an INSERT",
    query("derived", "insert into public.users values (9, 'x') returning id as key, 1 as derived"),
    "SB640",
    /syntax error/,
  ],
  [
    "an UPDATE that is allowed",
    query("derived", "update public.users set balance = 0 returning id as key, 0 as derived"),
    "SB640",
    /syntax error/,
  ],
  [
    "a DELETE within WITH",
    query("derived", "with x as (delete from public.users returning *) select * from x"),
    "SB640",
    /data-modifying/,
  ],
  [
    "FOR UPDATE",
    query("derived", "select id as key, balance as derived from public.users for update"),
    "SB643",
    /read-only/,
  ],
  [
    "a sequence",
    query("derived", "select id as key, nextval('public.counter') as derived from public.users"),
    "SB643",
    /nextval/,
  ],
  [
    "a setting",
    query("derived", "select set_config('role', 'saldo_owner', false) as key, 1 as derived"),
    "SB643",
    /set_config/,
  ],
  [
    "sleep",
    query("derived", "select 1 as key, 1 as derived from pg_sleep(3600)"),
    "SB643",
    /pg_sleep/,
  ],
  [
    "XML",
    query("derived", "select query_to_xml('x', true, true, '') as key, 1 as derived"),
    "SB643",
    /query_to_xml/,
  ],
  [
    "a volatile function",
    query("derived", "select public.volatile() as key, 1 as derived"),
    "SB643",
    /volatile/,
  ],
  [
    "a definer function",
    query("derived", "select public.definer() as key, 1 as derived"),
    "SB643",
    /definer/,
  ],
  [
    "a volatile function in a view",
    query("derived", "select key, 1 as derived from public.harmless"),
    "SB643",
    /public\.volatile/,
  ],
  [
    "a volatile step of an aggregate",
    query("derived", "select 1 as key, public.sneaky(id::integer) as derived from public.users"),
    "SB643",
    /sneaky_step/,
  ],
  [
    "a stable function that writes",
    query("derived", "select public.liar() as key, 1 as derived"),
    "SB643",
    /non-volatile/,
  ],
  [
    "a stable function that has another write",
    query("derived", "select public.liar_too() as key, 1 as derived"),
    "SB643",
    /read-only/,
  ],
  [
    "no column derived",
    query("derived", "select id as key from public.users"),
    "SB641",
    /derived is missing/,
  ],
  [
    "a text",
    query("derived", "select id as key, 'x' as derived from public.users"),
    "SB641",
    /text, not number/,
  ],
  [
    "two columns of a name",
    query("derived", "select 1 as key, 1 as key, 1 as derived"),
    "SB640",
    /key/,
  ],
  [
    "items without amounts",
    query("items", "select id as key, id as item from public.users"),
    "SB641",
    /amount is missing, is_counted is missing/,
  ],
  [
    "a double key",
    query("derived", "select 1 as key, balance as derived from public.users"),
    "SB642",
    /3 are double/,
  ],
  [
    "a key that is NULL",
    query("stored", "select nullif(id, 2) as key, balance as stored from public.users"),
    "SB642",
    /1 keys are NULL/,
  ],
  [
    "a recursion",
    query(
      "derived",
      "with recursive r as (select 1 as key union all select key + 1 from r) select key, 1 as derived from r",
    ),
    "SB644",
    /recursive/,
  ],
  [
    "a cost without bounds",
    query("derived", "select count(*) as key, 1 as derived from generate_series(1, 1e12::bigint)"),
    "SB644",
    /cost/,
  ],
  [
    "secrets",
    query("derived", "select 1 as key, 1 as derived from pg_authid"),
    "SB645",
    /pg_authid/,
  ],
  [
    "a private table",
    query("derived", "select 1 as key, 1 as derived from saldo_private.book_state"),
    "SB645",
    /saldo_private/,
  ],
  [
    "a table of Saldo",
    query("derived", "select id as key, balance as derived from saldo.account"),
    "SB645",
    /saldo/,
  ],
  [
    "a table that is not granted",
    query("derived", "select id as key, 1 as derived from public.ungranted"),
    "SB645",
    /ungranted/,
  ],
  [
    "a table whose rows are hidden",
    query("derived", "select id as key, 1 as derived from public.hidden"),
    "SB645",
    /row-level security/,
  ],
];
