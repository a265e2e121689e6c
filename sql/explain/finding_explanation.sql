-- Explanations: what may have caused a finding, the best first.
--
-- Public: saldo.finding_explanation. explanation.sql writes those of the engine's own rules,
-- own_tables/registered_check.sql those of registered ones. A finding without a row is unexplained.

select saldo_private.secure_table('saldo.finding_explanation');
drop policy if exists select_all on saldo.finding_explanation;
create policy select_all on saldo.finding_explanation for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.finding_explanation to saldo_admin, saldo_operator;

comment on type saldo.explanation_confidence is
  'certain: recorded, and of exactly this difference; likely: the figures fit, and nothing else '
  'does as well; possible: the figures fit, others might.';
comment on table saldo.finding_explanation is
  'What may have caused a finding, the best first; a finding without one has no known cause.';
comment on column saldo.finding_explanation.finding_id is 'Finding that it explains.';
comment on column saldo.finding_explanation.rank is
  'Place among the explanations of the finding, from 1, the best.';
comment on column saldo.finding_explanation.cause is 'Kind of cause.';
comment on column saldo.finding_explanation.confidence is
  'How sure it is: certain, likely or possible.';
comment on column saldo.finding_explanation.explanation is 'The cause in a sentence.';
comment on column saldo.finding_explanation.evidence is 'Ids and figures that support the cause.';
