-- Followers: a room below keeps a cache in step with the lines of some accounts, in any posting.
--
-- Private: account_follower, call_followers. A follower is saldo_private.follow_<name>, of an array
-- of lines; the posting trigger calls it once a statement, with the accounts locked and moved. A
-- trigger of that room on journal_line would cost every posting a call of its own; like this an
-- account that nobody follows costs one look in an index.

create or replace function saldo_private.call_followers(lines saldo.journal_line[])
returns void
language plpgsql
set plan_cache_mode = auto
as $$
declare
  v_follower text;
  v_lines saldo.journal_line[];
begin
  perform saldo_private.plan_for(cardinality(lines));
  for v_follower, v_lines in
    select f.follower, array_agg(l)
    from unnest(lines) as l
    join saldo_private.account_follower as f on f.account_id = l.account_id
    group by f.follower
    order by f.follower
  loop
    execute format('select saldo_private.%I($1)', 'follow_' || v_follower)
    using v_lines;
  end loop;
end
$$;
comment on function saldo_private.call_followers is
  'Hands lines to those who follow their accounts, each of them those that it follows.';

select saldo_private.secure_table('saldo_private.account_follower');

comment on table saldo_private.account_follower is
  'An account whose lines something is kept in step with, beyond its balance.';
comment on column saldo_private.account_follower.account_id is 'Account whose lines are followed.';
comment on column saldo_private.account_follower.follower is
  'Who follows it: saldo_private.follow_<this> is called with its lines.';
