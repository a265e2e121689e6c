import { writeFile } from "node:fs/promises";
import type { Client } from "pg";
import { type Command, textOption, UsageError } from "./command.ts";

/** `saldo report`: a month or a year of all customers, or the bill of one. */
export const reportCommand: Command = {
  usage: "report month 2024-08 | year 2024 | bill CODE 2024-08 [--csv FILE] [--restated]",
  help: [
    "Prints a month or a year of all customers as CSV, with the totals, or the bill of a customer.",
    "--csv writes the former to a file; --restated tells by the month that things are about.",
  ],
  options: { csv: { type: "string" }, restated: { type: "boolean" } },
  prepare(words) {
    const [kind, ...rest] = words.positionals;
    const file = textOption(words, "csv");
    const basis = words.values["restated"] === true ? "restated" : "reported";
    if (kind === "bill") {
      const [code, month] = rest;
      if (code === undefined || month === undefined || rest.length > 2 || file !== undefined) {
        throw new UsageError("Say report bill CODE 2024-08.");
      }
      return async () => async (client) => await tellBill(client, code, month);
    }
    const [when] = rest;
    if ((kind !== "month" && kind !== "year") || when === undefined || rest.length > 1) {
      throw new UsageError("Say report month 2024-08, year 2024 or bill CODE 2024-08.");
    }
    if (!(kind === "month" ? /^\d{4}-\d{2}$/ : /^\d{4}$/).test(when)) {
      throw new UsageError(kind === "month" ? "A month is 2024-08." : "A year is 2024.");
    }
    return async () => async (client) => {
      const { rows } = await client.query<{ csv: string }>(
        kind === "month"
          ? "select saldo.customers_month_csv(saldo.month($1), $2) as csv"
          : "select saldo.customers_year_csv($1::integer, $2) as csv",
        [when, basis],
      );
      const csv = rows[0]?.csv ?? "";
      if (file === undefined) process.stdout.write(csv);
      else {
        await writeFile(file, csv);
        process.stdout.write(`${csv.split("\r\n").length - 2} lines written to ${file}\n`);
      }
      return 0;
    };
  },
};

async function tellBill(client: Client, code: string, month: string): Promise<number> {
  const { rows } = await client.query(
    `select to_jsonb(b) as bill
    from saldo.customer_bill(saldo.id_of_customer($1), saldo.month($2)) as b`,
    [code, month],
  );
  const bill = rows[0].bill;
  process.stdout.write(`${bill.customer_name} (${bill.customer_code}), ${month}\n`);
  for (const line of bill.lines) {
    process.stdout.write(`${line.line_no}. ${line.description}: ${line.amount}\n`);
  }
  process.stdout.write(
    `opening balance ${bill.opening_balance}, deposits ${bill.deposits}, total ${bill.total}, ` +
      `closing balance ${bill.closing_balance} ${bill.currency}\n`,
  );
  if (bill.unrated_count > 0) {
    process.stdout.write(`${bill.unrated_count} readings are in no line: see unrated_readings\n`);
  }
  return 0;
}
