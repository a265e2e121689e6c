-- Records of writes past the engine that an earlier version made keep whole statements, with whatever
-- stood in them. They are read by operators, and a password of somebody's is none of their business.
update saldo.guard_event
set statement = saldo_private.without_literals(statement)
where statement <> saldo_private.without_literals(statement);
