import type { Fault, Room } from "./_library.ts";

/** A branch with a till that has sent an entry, another that is voided, and a count. */
export const branchBooks = `
  do $$
  declare
    v_device uuid;
    v_key text;
    v_epoch uuid := gen_random_uuid();
    v_prev text;
    v_row jsonb;
    v_rows jsonb := '[]';
  begin
    perform saldo.create_branch('A', 'A');
    v_device := saldo_private.enrol_branch_device(
      (saldo.issue_enrolment_code(1)).code, 'till', 'test') ->> 'device';
    v_key := saldo_private.make_branch_key(v_device);
    for v_row in
      select jsonb_build_object('id', '00000000-0000-4000-8000-00000000000' || seq, 'seq', seq,
        'payload_version', 1, 'kind', kind, 'type', type, 'category', category, 'amount', amount,
        'expected', expected, 'currency', 'IDR', 'description', null,
        'occurred_at', '2025-03-10T05:00:00.000Z', 'business_date', '2025-03-10', 'cashier', null,
        'voids', voids, 'corrects', null, 'reason', reason)
      from (values
        (1, 'entry', 'IN', 'sale', '70', null, null, null),
        (2, 'entry', 'IN', 'sale', '30', null, null, null),
        (3, 'void', 'OUT', 'sale', '30', null, '00000000-0000-4000-8000-000000000002', 'wrong'),
        (4, 'count', null, 'close', '70', '70', null, null)
      ) as r (seq, kind, type, category, amount, expected, voids, reason)
    loop
      v_row := v_row || jsonb_build_object('prev', v_prev);
      v_prev := saldo_private.branch_row_hash(
        v_device, v_epoch, v_row ->> 'seq', saldo_private.branch_row_content(v_row), v_prev);
      v_rows := v_rows || (v_row || jsonb_build_object('hash', v_prev));
    end loop;
    perform saldo_private.push_branch_rows(
      substr(v_key, 5, 12), sha256(convert_to(substr(v_key, 18, 64), 'UTF8')), jsonb_build_object(
        'protocol', 1, 'program', 'test', 'device', v_device, 'epoch', v_epoch, 'epoch_no', 1,
        'previous', null, 'clock', jsonb_build_object('now', '2025-03-10T05:00:00.000Z'),
        'head', jsonb_build_object('seq', 4, 'hash', v_prev),
        'totals', jsonb_build_object('count', 4, 'in', '100', 'out', '30'),
        'have', jsonb_build_object('centre_epoch', null, 'verdict_no', 0), 'rows', v_rows));
  end
  $$`;

const reported = { outcome: "reported" } as const;

export const branchFaults: Fault[] = [
  {
    fault: "a row of a till of another amount",
    plant: "update saldo.branch_intake set amount = 71 where seq = 1",
    rules: ["branch_entry", "branch_cash", "branch_chain", "branch_totals"],
    cause: "record_changed likely",
    ...reported,
  },
  {
    fault: "a row of a till that is not accepted any more",
    plant: "update saldo.branch_intake set verdict = 'refused', entry_id = null where seq = 1",
    rules: ["branch_cash", "branch_entry"],
    cause: "record_changed likely",
    ...reported,
  },
  {
    fault: "a row of a till that names another entry",
    plant: "update saldo.branch_intake set entry_id = gen_random_uuid() where seq = 2",
    rules: ["branch_entry"],
    cause: "missing_item likely, unrecorded_item likely",
    ...reported,
  },
  {
    fault: "sums that no till has told",
    plant: "update saldo.branch_head set in_total = 99",
    rules: ["branch_totals"],
    cause: "record_changed likely",
    ...reported,
  },
  {
    fault: "a row of a till with another hash",
    plant: "update saldo.branch_intake set hash = repeat('0', 64) where seq = 4",
    rules: ["branch_chain"],
    cause: "record_changed likely",
    ...reported,
  },
  {
    fault: "rows that a till has told of and not sent",
    plant: `update saldo.branch_epoch set told_seq = 6;
      update saldo.branch_head set told_at = now() - interval '2 days';
      insert into saldo.branch_head (epoch_id, seq, hash, row_count, in_total, out_total, told_at)
      select epoch_id, 6, repeat('0', 64), 6, 100, 30, now() - interval '2 days'
      from saldo.branch_head`,
    rules: ["branch_gap"],
    cause: "work_stopped likely",
    ...reported,
  },
];

/** Of rows that tills have sent, their entries, heads and gaps. */
export const branchRoom: Room = { room: "branch", books: branchBooks, faults: branchFaults };
