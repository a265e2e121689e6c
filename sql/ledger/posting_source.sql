-- Posting sources: what an entry may do because of who posts it.
--
-- Private: saldo_private.posting_source, describe_source.
-- A source without a row may do what any caller may: no closed or frozen account, funds are asked
-- for, and callers may name it themselves. A room that may more says so beside the function that
-- posts; the posting reads it here, and so knows no room below it.

-- The load begins without any, so that one that no room describes any more is gone.
delete from saldo_private.posting_source;

create or replace function saldo_private.describe_source(
  source text,
  is_reserved boolean default true,
  moves_no_funds boolean default false,
  passes_closed_account boolean default false,
  passes_minimum boolean default false
)
returns void
language sql
as $$
  insert into saldo_private.posting_source (
    source, is_reserved, moves_no_funds, passes_closed_account, passes_minimum
  )
  values (source, is_reserved, moves_no_funds, passes_closed_account, passes_minimum)
  on conflict on constraint posting_source_pkey do update
  set is_reserved = excluded.is_reserved,
    moves_no_funds = excluded.moves_no_funds,
    passes_closed_account = excluded.passes_closed_account,
    passes_minimum = excluded.passes_minimum
$$;
comment on function saldo_private.describe_source is
  'Says what entries of a source may do; called while sql/ is loaded, by the file that posts them.';

select saldo_private.secure_table('saldo_private.posting_source');

comment on table saldo_private.posting_source is
  'Sources of entries that may do more than those of any caller; filled by the load of sql/.';
comment on column saldo_private.posting_source.source is
  'What the entries have as their source: the function or room that posts them.';
comment on column saldo_private.posting_source.is_reserved is
  'Whether callers may not give it to entries of their own, as with post_entries.';
comment on column saldo_private.posting_source.moves_no_funds is
  'Whether its lines move no slots of hot accounts: their funds were taken before, or the slots '
  'are made again after it. So it is posted to frozen accounts too, which have no slots.';
comment on column saldo_private.posting_source.passes_closed_account is
  'Whether it is posted to closed accounts too.';
comment on column saldo_private.posting_source.passes_minimum is
  'Whether it may take an immediate account below its min_balance.';
