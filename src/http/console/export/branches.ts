/** Exports of branches, their tills, what they lack, and the rows that tills have handed over. */
import {
  amount,
  choiceFilter,
  dayFilter,
  exportOf,
  named,
  nameFilter,
  part,
  plain,
  when,
  word,
} from "./query.ts";

/** Branches: whether they are heard of, and what the centre lacks of them. */
export const branches = exportOf({
  filters: {},
  columns: [
    word("branch", "b.branch_code"),
    word("name", "b.branch_name"),
    plain("device_count", "b.device_count"),
    plain("forked_count", "b.forked_count"),
    plain("last_push_at", "b.last_push_at"),
    plain("is_silent", "b.is_silent"),
    plain("missing_count", "b.missing_count"),
    plain("missing_since", "b.missing_since"),
    plain("quarantined_count", "b.quarantined_count"),
    plain("conflict_count", "b.conflict_count"),
    plain("suspense_count", "b.suspense_count"),
    plain("waiting_since", "b.waiting_since"),
  ],
  from: () => part("saldo.branch_states() as b"),
  order: "b.branch_code",
});

/** Ranges of rows that a till has told of and not sent. */
export const branchGaps = exportOf({
  filters: { branch: nameFilter },
  columns: [
    word("branch", "g.branch_code"),
    plain("device_no", "g.device_no"),
    plain("epoch_no", "g.epoch_no"),
    plain("first_seq", "g.first_seq"),
    plain("last_seq", "g.last_seq"),
    plain("row_count", "g.row_count"),
    plain("known_since", "g.known_since"),
  ],
  from: () => part("saldo.branch_gaps() as g"),
  where: ({ branch }) => [named(branch, "g.branch_id", "branch")],
  order: "g.branch_code, g.device_no, g.epoch_no, g.first_seq",
});

/** The tills of branches. */
export const branchDevices = exportOf({
  filters: { branch: nameFilter },
  columns: [
    word("branch", "b.code"),
    plain("device_no", "d.device_no"),
    word("name", "d.name"),
    word("program", "d.program"),
    plain("state", "d.state"),
    word("state_reason", "d.state_reason"),
    plain("enrolled_at", "d.enrolled_at"),
    plain("last_push_at", "d.last_push_at"),
    plain("clock_offset_ms", "d.clock_offset_ms"),
  ],
  from: () => part("saldo.branch_device as d join saldo.branch as b on b.id = d.branch_id"),
  where: ({ branch }) => [named(branch, "d.branch_id", "branch")],
  order: "b.code, d.device_no",
});

/** Rows that tills have handed over, with what became of them. */
export const branchRows = exportOf({
  filters: {
    branch: nameFilter,
    state: choiceFilter(["accepted", "duplicate", "conflict", "quarantined", "refused"]),
    from: dayFilter,
    to: dayFilter,
  },
  columns: [
    plain("id", "i.id"),
    word("branch", "b.code"),
    plain("device_id", "i.device_id"),
    plain("seq", "i.seq"),
    word("row_id", "i.row_id"),
    plain("received_at", "i.received_at"),
    plain("business_date", "i.business_date"),
    plain("kind", "i.kind"),
    plain("flow", "i.flow"),
    word("category", "i.category"),
    amount("amount", "i.amount"),
    plain("currency", "i.currency"),
    word("description", "i.description"),
    word("cashier", "i.cashier"),
    plain("verdict", "i.verdict"),
    word("verdict_reason", "i.verdict_reason"),
    plain("entry_id", "i.entry_id"),
    plain("decided_at", "i.decided_at"),
    word("decided_by", "i.decided_by"),
    word("decision_note", "i.decision_note"),
  ],
  from: () => part("saldo.branch_intake as i join saldo.branch as b on b.id = i.branch_id"),
  where: ({ branch, state, from, to }) => [
    named(branch, "i.branch_id", "branch"),
    when(state, "i.verdict = %L"),
    when(from, "i.business_date >= %L"),
    when(to, "i.business_date <= %L"),
  ],
  order: "i.id",
});
