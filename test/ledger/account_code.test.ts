import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openMetering } from "../metering/_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());
const { call, root } = metering;
const ask = async (text: string) => {
  const [row] = await metering.query("operator", `select ${text} as answer`);
  return row?.answer;
};

test("ids are found by codes, and months by their names", async (t) => {
  const site = await metering.site();
  const { code } = site.customer as { code?: string };
  const member = await call("create_member", { code: "caf\u00e9", name: "Ayu" });
  const product = await call("create_product", { code: "tea", name: "Tea", price: 5 });
  t.is(await ask(`saldo.id_of_customer('${code}')`), site.customer.id);
  t.is(await ask(`saldo.id_of_account('customer:${code}')`), site.customer.account_id);
  t.is(await ask(`saldo.id_of_meter('${code}', 'meter ${code}')`), site.meter.id);
  t.is(await ask("saldo.id_of_member('cafe\u0301')"), member.id, "however it is written");
  t.is(await ask("saldo.id_of_product('tea')"), product.id);
  t.is(await ask("saldo.month('2024-08')::text"), "2024-08-01");
  const exchanged = await call("exchange_meter", {
    meter_id: site.meter.id,
    code: `meter ${code}`,
    final_value: 5,
  });
  t.is(await ask(`saldo.id_of_meter('${code}', 'meter ${code}')`), exchanged.id);
  for (const [text, expected] of [
    ["saldo.id_of_customer('nobody')", "SB401"],
    ["saldo.id_of_customer(null)", "SB401"],
    ["saldo.id_of_account('nobody')", "SB101"],
    [`saldo.id_of_meter('${code}', 'none')`, "SB404"],
    ["saldo.id_of_member('nobody')", "SB304"],
    ["saldo.id_of_product('none')", "SB301"],
    ["saldo.month('2024-13')", "SB010"],
    ["saldo.month('2024-08-01')", "SB010"],
    ["saldo.month(null)", "SB010"],
  ] as const) {
    t.is(await errorCode(ask(text)), expected, text);
  }
  const [list] = await root("select saldo_private.account_list(array[$1::bigint, -1]) as names", [
    site.customer.account_id,
  ]);
  t.is(list?.names, `customer:${code} (Deposit of Customer ${code}), account -1`);
});
