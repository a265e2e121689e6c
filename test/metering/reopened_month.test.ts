import test from "ava";
import { openMetering, type Row } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

test("the calculation of a month adds up to its purchases, also after it was opened again", async (t) => {
  const site = await metering.site();
  await metering.call("add_tariff_version", { price: 5, effective_from: "2025-01-01" });
  await metering.call("add_correction_factor", {
    formula: "fixed",
    factor: 1,
    effective_from: "2025-01-01",
  });
  await metering.read(site, "2025-06-10", 10);
  await metering.read(site, "2025-06-20", 30);

  async function june(basis: string) {
    const [row] = await metering.query(
      "operator",
      `select trim_scale(m.purchases) as purchases, m.volume_m3, m.calculation
      from saldo.customer_month($1, '2025-06-01', null, $2) as m`,
      [site.customer.id, basis],
    );
    const parts = row?.calculation as Row[];
    return {
      purchases: Number(row?.purchases),
      volume: Number(row?.volume_m3),
      parts: parts.map((part) => [part.price, part.reading_count, part.amount].map(Number)),
    };
  }

  const asBilled = { purchases: 150, volume: 30, parts: [[5, 2, 150]] };
  t.deepEqual(await june("reported"), asBilled);
  await metering.call("close_period", { month: "2025-06-01" });
  const version = await metering.call("add_tariff_version", {
    price: 6,
    effective_from: "2025-06-01",
  });
  t.deepEqual(await june("reported"), asBilled);
  t.deepEqual(await june("restated"), { purchases: 180, volume: 30, parts: [[6, 2, 180]] });

  await metering.call("reopen_period", { fiscal_year: 2025, number: 6, reason: "a late price" });
  await metering.call("change_tariff_version", { version_id: version.id, price: 8 });
  // What July says about the price of 6 stays there, so June says what came on top of that.
  t.deepEqual(await june("reported"), {
    purchases: 210,
    volume: 30,
    parts: [
      [5, 2, 150],
      [6, -2, -180],
      [8, 2, 240],
    ],
  });
  t.deepEqual(await june("restated"), { purchases: 240, volume: 30, parts: [[8, 2, 240]] });
  t.deepEqual(await metering.findings(), []);
});
