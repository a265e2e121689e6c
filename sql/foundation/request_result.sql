-- Results of requests that come many at once.
--
-- Private: request_result, require_batch; type saldo.request_result.

create or replace function saldo_private.request_result(
  id uuid,
  error_code text default null,
  error_condition text default null,
  detail text default null
)
returns saldo.request_result
language sql
stable
as $$
  select jsonb_populate_record(null::saldo.request_result, jsonb_build_object(
    'id', id, 'error_code', error_code, 'error_condition', error_condition, 'detail', detail
  ))
$$;
comment on function saldo_private.request_result is 'Makes a result of its fields.';

create or replace function saldo_private.require_batch(count integer, what text)
returns void
language plpgsql
stable
as $$
begin
  if (count between 1 and 10000) is not true then
    perform saldo_private.fail('input_invalid', format('%s: an array of 1 to 10,000', what));
  end if;
end
$$;
comment on function saldo_private.require_batch is
  'Refuses an empty batch, one that is too large, and none at all: SB010 input_invalid.';

comment on type saldo.request_result is 'What became of a request of a batch.';
comment on column saldo.request_result.id is
  'What it made, now or before under the same key; null = it was refused.';
comment on column saldo.request_result.error_code is 'Code, as SB001; null = it was carried out.';
comment on column saldo.request_result.error_condition is
  'Its condition; null = it was carried out.';
comment on column saldo.request_result.detail is 'What is wrong with it; null where nothing is.';
