import type { Never } from "./error_lists.ts";

/** What the text of sql/ cannot tell about errors, each with its reason. */

const funds = ["SB001", "SB004", "SB015", "SB020", "SB121", "SB202", "SB207"];
const posting = [
  ...["SB001", "SB004", "SB015", "SB101", "SB102", "SB104"],
  ...["SB108", "SB121", "SB202", "SB207"],
];
const rule = ["SB640", "SB641", "SB642", "SB643", "SB644", "SB645", "SB646", "SB647"];

/** Codes that end here, although what is called could raise them. */
export const never: readonly Never[] = [
  {
    function: /\.tg__guard_(cached_balance|truncate)$/,
    codes: ["SB601"],
    why: "the engine's own writes are never refused",
  },
  {
    function: /^saldo\.(close_period|adjust_balance)$/,
    codes: ["SB622"],
    why: "nobody has decided before, so no decision can be outdated",
  },
  {
    function: /^saldo\.(scheduled_maintenance|continue_maintenance)$/,
    codes: ["SB417"],
    why: "nobody has looked at a plan before",
  },
  {
    function: /^saldo\.approve_decision$/,
    codes: ["SB660", "SB661", "SB662"],
    why: "limits of one person do not hold for two",
  },
  {
    function: /\.purchase_many__hold_slots$/,
    codes: funds,
    why: "the purchase that it is about meets it again, as an error of its own",
  },
  {
    function: /\.tg__keep_seals_immutable$/,
    codes: ["SB111"],
    why: "the engine adds seals and changes none, and it may take the mark of contested rows away",
  },
  {
    function: /\.tg_journal_(entry|line)__keep_posted_immutable$/,
    codes: ["SB105"],
    why: "the engine changes the status of an entry and nothing else",
  },
  {
    function: /\.tg_purchase__keep_sound$/,
    codes: ["SB010"],
    why: "the engine writes purchases whole",
  },
  {
    function: /\.tg_journal_entry__keep_(purchases|top_ups)_whole$/,
    codes: ["SB106"],
    why: "it fires for reversals only, and whoever reverses says so itself",
  },
  {
    function:
      /\.(post_entry|post_pair|post_to_hot_on|transfer_many__write|settle_batch__post|rate_readings__post_many|charge_month__post|post_year_end|reverse_year_end|post_branch_rows|repost_suspense__post)$/,
    codes: ["SB103", "SB107"],
    why: "the engine makes its entries whole and balanced",
  },
  {
    function: /\.take_push$/,
    codes: ["SB001", "SB022", "SB101", "SB102", "SB104", "SB106", "SB108", "SB121", "SB501"],
    why: "a row that cannot be posted is quarantined with its code; a device has a branch",
  },
  {
    function: /\.take_branch_push$/,
    codes: ["SB501"],
    why: "a device has a branch",
  },
  {
    function: /\.tariff_part__account$/,
    codes: ["SB002", "SB003", "SB004"],
    why: "the account of a tax has no minimum",
  },
  { function: /\.fold_stripes$/, codes: funds, why: "a stripe that is emptied sets nothing off" },
  {
    function: /\.(tg_account_stripe__move_slot|change_held)$/,
    codes: ["SB004", "SB202"],
    why: "it numbers no rows, which is what a backlog and the room of totals are looked at for",
  },
  {
    function: /\.settle_batch$/,
    codes: posting,
    why: "the funds were taken before; what cannot be settled is left for the next time",
  },
  {
    function: /\.end_hold$/,
    codes: ["SB001", "SB101", "SB102", "SB121", "SB305"],
    why: "to give back needs no funds, and an account with a hold is neither closed nor gone",
  },
  {
    function: /\.claim_idempotency_key$/,
    codes: ["SB010"],
    why: "a key that is missing claims nothing",
  },
  {
    function: /\.lock_(device|branch_rows)$/,
    codes: ["SB501"],
    why: "the branch of a device, or of a row, is there",
  },
  { function: /\.void_hold$/, codes: ["SB010"], why: "a reason that is missing has a default" },
  {
    function: /\.change_reading$/,
    codes: ["SB010", "SB404"],
    why: "the meter and the time are those of the reading, where none are given",
  },
  {
    function: /\.(create_(branch|customer|member)|open_debt_account)$/,
    codes: ["SB002", "SB003", "SB004"],
    why: "the min_balance of their accounts is the engine's",
  },
  {
    function: /\.record_check__rules$/,
    codes: ["SB644"],
    why: "a rule that breaks is a finding, and the check goes on",
  },
  {
    function: /\.run_heal$/,
    codes: ["SB001", "SB020", "SB121"],
    why: "SB603 comes before SB020; a heal gives and takes no funds, and passes frozen ones over",
  },
  {
    function: /\.(complete|fail)_purchase$/,
    codes: ["SB204", "SB205"],
    why: "a purchase that is pending has its hold",
  },
  {
    function: /\.refund_purchase$/,
    codes: ["SB106"],
    why: "the payment of a completed purchase is reversed by its refund only",
  },
  {
    function: /\.continue_rerating$/,
    codes: [...posting, "SB022"],
    why: "what a step is refused is kept with its re-rating",
  },
  {
    function: /\.apply_balance_rules$/,
    codes: [...rule, "SB008", "SB009", "SB014"],
    why: "a rule that is refused holds back none: the result tells its code",
  },
  {
    function: /\.adjust_balance$/,
    codes: ["SB022"],
    why: "it sets a balance, and comes to nothing the second time",
  },
  {
    function: /\.import_(customers|meters)$/,
    codes: [...posting, "SB002", "SB003", "SB004", "SB005", "SB020", "SB022"],
    why: "one function reads the rows of all imports, and a meter is refused in its row",
  },
  {
    function: /\.import_customers$/,
    codes: ["SB401", "SB409", "SB411", "SB433", "SB434"],
    why: "one function reads the rows of all imports; these have no meter and no time",
  },
  {
    function: /\.import_deposits$/,
    codes: ["SB014", "SB409", "SB411", "SB434"],
    why: "one function reads the rows of all imports; these have no meter",
  },
  {
    function: /^saldo\.make_draft$/,
    codes: ["SB680"],
    why: "an insert that found the id taken finds the draft of that id, which is never deleted",
  },
  {
    function: /^saldo\.discard_draft$/,
    codes: ["SB682"],
    why: "it is given no version",
  },
];

/** Codes that a function raises or tells in a way that its text does not show. */
export const unseen: readonly Never[] = [
  {
    function: /\.require_readings$/,
    codes: ["SB010", "SB404", "SB405", "SB408", "SB409", "SB411"],
    why: "it raises the condition of the first reading that is refused",
  },
  {
    function: /\.import_readings$/,
    codes: ["SB401", "SB433", "SB434"],
    why: "conditions of rows come in its result",
  },
  {
    function: /\.submit_transactions$/,
    codes: [
      ...["SB002", "SB003", "SB004", "SB005", "SB008"],
      ...["SB009", "SB022", "SB101", "SB104", "SB201", "SB203"],
    ],
    why: "conditions of rows come in its result",
  },
  { function: /\.lock_period$/, codes: ["SB108"], why: "what others are refused from then on" },
  { function: /\.set_product_price$/, codes: ["SB303"], why: "what buyers are told" },
];
