-- The login of the API, one for each database of a cluster, with its random password.
--
-- Private: the table server_login, which src/database/ writes and reads as the owner. Whoever reads
-- it may act as any caller of the API, as the owner may anyway. What a copy or a dump brings along
-- of another database is not gone by, and is replaced.

select saldo_private.secure_table('saldo_private.server_login');

comment on table saldo_private.server_login is
  'The login that the servers of this database share: one row.';
comment on column saldo_private.server_login.id is 'Always 1.';
comment on column saldo_private.server_login.login is 'Name of the role.';
comment on column saldo_private.server_login.password is
  'Its password, which no person needs: random, and another one in a copy of the database.';
comment on column saldo_private.server_login.database_id is
  'Database that it was made for: pg_database.oid.';
comment on column saldo_private.server_login.cluster is
  'Cluster that it was made in: see current_cluster.';
comment on column saldo_private.server_login.made_at is 'When it was made.';
