-- The end of the load: what stands now is what was built (as_built.sql in the health room).

select saldo_private.record_build();
