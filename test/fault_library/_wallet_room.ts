import type { Room } from "./_library.ts";

/** Of members, purchases, holds and stock. */
export const walletRoom: Room = {
  room: "wallet",
  books: `
  select saldo.create_member('n', 'N');
  select saldo.place_hold((select account_id from saldo.member where id = 1), 25);
  select saldo.create_product('s', 'S', 70, is_stock_tracked => false);
  select saldo.refund_purchase(
    (saldo.purchase_with_balance_deduction(1, (select id from saldo.product where code = 's'), 70)).id,
    'late', amount => 20);
  select saldo.create_member('o', 'O');
  do $$
  declare
    v_top_up saldo.journal_entry := saldo.top_up(3, 10);
  begin
    perform saldo.transfer((select account_id from saldo.member where id = 3), 2, 6);
    perform saldo.reverse_top_up(v_top_up.id, 'stolen', 'debt');
    perform saldo.top_up(3, 1);
  end
  $$`,
  faults: [
    {
      fault: "a forced hold",
      plant: `update saldo.account set held_total = 1 where id = (select account_id from saldo.member where id = 1)`,
      rules: ["held_total"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a forced hold that nobody recorded",
      plant: `update saldo.account set held_total = 1 where id = (select account_id from saldo.member where id = 1)`,
      unseen: true,
      rules: ["held_total"],
      cause: "cache_forced possible",
      outcome: "healed",
    },
    {
      fault: "a hold that is gone",
      plant: "delete from saldo.hold where amount = 25",
      rules: ["row_seal", "held_total"],
      cause: "out_of_band_write certain",
      outcome: "frozen",
    },
    {
      fault: "a hold of another amount",
      plant: "update saldo.hold set amount = 20, open_amount = 20 where amount = 25",
      rules: ["row_seal", "held_total"],
      cause: "out_of_band_write certain",
      outcome: "frozen",
    },
    {
      fault: "a hold that says another reason",
      plant: "update saldo.hold set description = 'x' where amount = 25",
      rules: ["row_seal"],
      cause: "out_of_band_write certain",
      outcome: "frozen",
    },
    {
      fault: "a hold of a purchase that is gone",
      plant: "delete from saldo.hold where amount = 100",
      rules: ["purchase_hold", "held_total", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a hold of a purchase of another amount",
      plant: "update saldo.hold set amount = 90, open_amount = 90 where amount = 100",
      rules: ["purchase_hold", "held_total", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a hold of a purchase that says it expired",
      plant: `update saldo.hold set status = 'EXPIRED', open_amount = 0, closed_at = now() where amount = 100`,
      rules: ["purchase_hold", "held_total", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a hold whose purchase is gone",
      plant: `update saldo.stock_item set purchase_id = null, account_id = null, assigned_at = null
          where purchase_id in (select id from saldo.purchase where status = 'pending');
        delete from saldo.purchase where status = 'pending'`,
      rules: ["purchase_hold", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a pending purchase of another amount",
      plant: `update saldo.purchase set unit_price = 90, amount = 90 where status = 'pending'`,
      rules: ["purchase_hold", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a completed purchase whose record is gone",
      plant: "delete from saldo.purchase where status = 'completed'",
      rules: ["purchase_entry", "idempotency", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a completed purchase of another amount",
      plant: `update saldo.purchase set unit_price = 90, amount = 90 where status = 'completed'`,
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a completed purchase of more pieces",
      plant: `update saldo.purchase set quantity = 2, unit_price = 50 where status = 'completed'`,
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a completed purchase of another member",
      plant: "update saldo.purchase set member_id = 2 where status = 'completed'",
      rules: ["purchase_entry", "idempotency_record", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a completed purchase of a product that is not there",
      plant: "update saldo.purchase set product_id = 99 where status = 'completed'",
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a completed purchase that names another entry",
      plant: `update saldo.purchase set entry_id = (select result_id from saldo_private.idempotency_record where key = 'first') where status = 'completed'`,
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a refunded purchase that says it was not",
      plant: `update saldo.purchase set status = 'completed', refund_entry_id = null, refund_reason = null,
          refunded_at = null where status = 'refunded'`,
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a refund that names another entry",
      plant: `update saldo.purchase set refund_entry_id = (select result_id from saldo_private.idempotency_record where key = 'first') where status = 'refunded'`,
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a refund of a part of another amount",
      plant: "update saldo.purchase_refund set amount = 10",
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a refund of a part of another reason",
      plant: "update saldo.purchase_refund set reason = 'x'",
      rules: ["row_seal"],
      cause: "out_of_band_write certain",
      outcome: "frozen",
    },
    {
      fault: "a refund of a part whose record is gone",
      plant: "delete from saldo.purchase_refund",
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a refund of a part that was never paid",
      plant: `insert into saldo.purchase_refund (account_id, entry_id, purchase_id, amount,
          restocked_quantity, reason, occurred_at, created_by)
        select account_id, '01900000-0000-7000-8000-000000000001', purchase_id, 30, 0, 'x', now(), 'x'
        from saldo.purchase_refund`,
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a pending purchase that says it failed",
      plant: `update saldo.purchase set status = 'failed', failure_reason = 'x', failed_at = now()
          where status = 'pending'`,
      rules: ["purchase_hold", "purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a purchase entry that was edited",
      plant: `update saldo.journal_line set debit = debit * 2, credit = credit * 2
          where entry_id = (select entry_id from saldo.purchase where status = 'completed')`,
      rules: ["purchase_entry", "account_balance", "month_movement"],
      cause: "journal_changed likely",
      outcome: "frozen",
    },
    {
      fault: "an item that was taken from its purchase",
      plant: `update saldo.stock_item set purchase_id = null, account_id = null, assigned_at = null
          where purchase_id in (select id from saldo.purchase where status = 'completed')`,
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "reported",
    },
    {
      fault: "an item that was given to a purchase",
      plant: `update saldo.stock_item set account_id = (select account_id from saldo.member where id = 1), assigned_at = now(),
            purchase_id = (select id from saldo.purchase where status = 'completed')
          where code = 'e'`,
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "reported",
    },
    {
      fault: "an item that is gone",
      plant: `delete from saldo.stock_item
          where purchase_id in (select id from saldo.purchase where status = 'completed')`,
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "reported",
    },
    {
      fault: "a sold item of another product",
      plant: `update saldo.stock_item set product_id = 99
          where purchase_id in (select id from saldo.purchase where status = 'completed')`,
      rules: ["purchase_entry", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "reported",
    },
    {
      fault: "a product that is not tracked any more",
      plant: "update saldo.product set is_stock_tracked = false",
      rules: ["purchase_entry"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a member of another account",
      plant: "update saldo.member set account_id = 1 where id = 1",
      rules: ["purchase_entry"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a member that is gone",
      plant: "delete from saldo.member where id = 1",
      rules: ["purchase_entry"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a wallet with more than was topped up",
      plant: `update saldo.account set credit_total = credit_total + 500 where id = (select account_id from saldo.member where id = 1)`,
      rules: ["account_balance", "balance_sheet"],
      cause: "out_of_band_write certain",
      outcome: "healed",
    },
    {
      fault: "a top-up that is gone",
      plant: `delete from saldo.journal_line where entry_id in (select id from saldo.journal_entry where source = 'top_up');
        delete from saldo.journal_entry where source = 'top_up'`,
      rules: ["account_balance", "month_movement", "top_up_reversal"],
      cause: "journal_changed certain",
      outcome: "frozen",
    },
    {
      fault: "a charge-back whose record is gone",
      plant: "delete from saldo.top_up_reversal",
      rules: ["top_up_reversal", "row_seal"],
      cause: "unrecorded_item likely",
      outcome: "frozen",
    },
    {
      fault: "a charge-back with other parts",
      plant: "update saldo.top_up_reversal set wallet_amount = 5, debt_amount = 5",
      rules: ["top_up_reversal", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a charge-back of another top-up",
      plant: `update saldo.top_up_reversal set top_up_entry_id =
          (select id from saldo.journal_entry where source = 'top_up' order by id limit 1)`,
      rules: ["top_up_reversal", "row_seal"],
      cause: "out_of_band_write likely",
      outcome: "frozen",
    },
    {
      fault: "a member who names no account of debts any more",
      plant: "update saldo.member set debt_account_id = null where id = 3",
      rules: ["top_up_reversal"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a purchase whose idempotency key points elsewhere",
      plant: `update saldo_private.idempotency_record set result_id = '01900000-0000-7000-8000-000000000001'
          where key = 'buy'`,
      rules: ["idempotency", "row_seal"],
      cause: "missing_item likely",
      outcome: "reported",
    },
    {
      fault: "a record of a purchase's key that is gone",
      plant: "delete from saldo_private.idempotency_record where key = 'buy'",
      rules: ["idempotency_record", "row_seal"],
      cause: "missing_item likely",
      outcome: "reported",
    },
  ],
};
