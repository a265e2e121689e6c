/** Exports of prices, factors and parts of the tariff, and of what is rated again. */
import { exportOf, flagFilter, part, plain, word } from "./query.ts";

/** Whether versions that were taken out of use are there, too. */
const filters = { has_removed: flagFilter };

const standing = ({ has_removed }: { has_removed?: string | undefined }) => [
  has_removed === "true" ? undefined : part("v.removed_at is null"),
];

const recorded = [
  plain("effective_from", "v.effective_from"),
  plain("effective_to", "v.effective_to"),
  plain("recorded_at", "v.recorded_at"),
  word("recorded_by", "v.recorded_by"),
  plain("removed_at", "v.removed_at"),
  word("removed_by", "v.removed_by"),
] as const;

const ofCustomer = (table: string) =>
  part(`saldo.${table} as v left join saldo.customer as c on c.account_id = v.account_id`);

const order = "v.effective_from, v.id";

/** Prices by the Sm3. */
export const tariffs = exportOf({
  filters,
  columns: [
    plain("id", "v.id"),
    word("customer", "c.code"),
    plain("currency", "v.currency"),
    plain("price", "v.price"),
    plain("spanning", "v.spanning"),
    word("profile", "v.profile"),
    ...recorded,
  ],
  from: () => ofCustomer("tariff_version"),
  where: standing,
  order,
});

/** Correction factors, with what they are computed of. */
export const factors = exportOf({
  filters,
  columns: [
    plain("id", "v.id"),
    word("customer", "c.code"),
    plain("formula", "v.formula"),
    plain("factor", "v.factor"),
    plain("pressure", "v.pressure"),
    plain("temperature", "v.temperature"),
    plain("atmospheric_pressure", "v.atmospheric_pressure"),
    plain("reference_pressure", "v.reference_pressure"),
    plain("reference_temperature", "v.reference_temperature"),
    plain("compressibility", "v.compressibility"),
    plain("volume_digits", "v.volume_digits"),
    plain("rounding", "v.rounding"),
    ...recorded,
  ],
  from: () => ofCustomer("correction_factor_version"),
  where: standing,
  order,
});

/** Standing charges, tiers, minimum takes, taxes and roundings. */
export const tariffParts = exportOf({
  filters,
  columns: [
    plain("id", "v.id"),
    plain("kind", "v.kind"),
    word("name", "v.name"),
    word("customer", "c.code"),
    plain("currency", "v.currency"),
    plain("price", "v.price"),
    plain("from_volume", "v.from_volume"),
    ...recorded,
  ],
  from: () => ofCustomer("tariff_part"),
  where: standing,
  order,
});

/** What is rated or charged again, and was. */
export const reratings = exportOf({
  filters: {},
  columns: [
    plain("id", "v.id"),
    word("operation", "v.operation"),
    word("customer", "c.code"),
    plain("from_date", "v.from_date"),
    plain("status", "v.status"),
    plain("reading_count", "v.reading_count"),
    plain("done_count", "v.done_count"),
    plain("line_count", "v.line_count"),
    plain("created_at", "v.created_at"),
    word("created_by", "v.created_by"),
    plain("started_at", "v.started_at"),
    plain("finished_at", "v.finished_at"),
    word("error", "v.error"),
  ],
  from: () => ofCustomer("rerating"),
  order: "v.id",
});
