import test from "ava";
import { readCsv, readCsvFile } from "../../src/web/console/screens/customers/csv_file.ts";

/** Files that the console's import reads in the browser. */

const columns = { required: ["customer", "amount"], optional: ["description"] };
const faultOf = (text: string) => {
  const read = readCsv(text, columns);
  return "fault" in read ? read : undefined;
};

test("a file is read as spreadsheets save it", (t) => {
  const rows = [
    { rowNo: 2, fields: { customer: "a", amount: "5", description: 'two "words", and\r\na line' } },
    { rowNo: 4, fields: { customer: "b", amount: "6.50", description: "" } },
  ];
  const text =
    'customer,amount,description\r\na,5,"two ""words"", and\r\na line"\r\n,,\r\nb,6.50,\r\n';
  t.deepEqual(readCsv(text, columns), rows);
  t.deepEqual(readCsv(`\uFEFF${text.replaceAll("\r\n", "\n")}`.trimEnd(), columns), [
    { ...rows[0], fields: { ...rows[0]?.fields, description: 'two "words", and\na line' } },
    rows[1],
  ] as never);
  t.deepEqual(readCsv("amount;customer\n7;c", columns), [
    { rowNo: 2, fields: { customer: "c", amount: "7" } },
  ]);
});

test("a file that is wrong as a whole is refused before any row is used", async (t) => {
  const head = "customer,amount\n";
  t.deepEqual(faultOf("customer,sum\na,1"), { fault: "columns", detail: "– amount, + sum" });
  t.deepEqual(faultOf("customer,amount,amount\na,1,1"), { fault: "columns", detail: "+ amount" });
  t.is(faultOf(`${head}"a,1`)?.fault, "quotes");
  t.is(faultOf(`${head}a"b,1`)?.fault, "quotes");
  t.is(faultOf(head)?.fault, "noRows");
  t.deepEqual(faultOf(`${head}a,1\nb`), { fault: "width", detail: "3" });
  t.deepEqual(faultOf(`${head}a,250.000`), { fault: "thousands", detail: "2: 250.000" });
  t.is(faultOf(head + "a,1\n".repeat(20_001))?.fault, "tooManyRows");
  const million = `${head}${"a,1\n".repeat(1_000_000)}"`;
  t.is(faultOf(million)?.fault, "tooManyRows", "its end, a quote that is open, is not looked at");
  const gaps = readCsv(`${head}${"a,1\n\n".repeat(19_000)}`, columns);
  t.is("fault" in gaps ? gaps.fault : gaps.length, 19_000);
  const file = (content: string | Uint8Array<ArrayBuffer>) => new File([content], "x.csv");
  t.deepEqual(await readCsvFile(file(new Uint8Array([0xff, 0x41])), columns), { fault: "notUtf8" });
  t.deepEqual(await readCsvFile(file("x".repeat(10_000_001)), columns), { fault: "tooLarge" });
});
