import test from "ava";
import fc from "fast-check";
import {
  amountToSend,
  isSameAmount,
  readAmountText,
  sumAmounts,
  timesAmount,
} from "../../src/web/console/parts/amount.ts";
import { formatAmount, groupAmount, readAmount } from "../../src/web/shared/money.ts";

/** Rupiah as people type them: 20.000 is twenty thousand, and never twenty. */

const read = (typed: string, decimals = 0) => {
  const amount = readAmount(typed, decimals);
  return amount.kind === "amount" ? amount.units : amount.kind;
};

test("amounts are read as they are typed", (t) => {
  const cases: [string, bigint | "empty" | "wrong"][] = [
    ["20000", 20000n],
    ["20.000", 20000n],
    ["20,000", 20000n],
    ["1.234.567", 1234567n],
    ["1,234,567", 1234567n],
    ["Rp 20.000", 20000n],
    ["rp20.000,00", 20000n],
    ["Rp. 20.000", 20000n],
    ["20.000,-", "wrong"],
    ["20 000", 20000n],
    ["20000,00", 20000n],
    ["20.00", 20n],
    ["20,0", 20n],
    ["20,5", "wrong"],
    ["20.5", "wrong"],
    ["20rb", 20000n],
    ["1,5jt", 1500000n],
    ["2 juta", 2000000n],
    ["5k", 5000n],
    ["", "empty"],
    [" Rp ", "empty"],
    ["0", 0n],
    ["007", 7n],
    ["-5", "wrong"],
    ["1e3", "wrong"],
    ["12.34.567", "wrong"],
    ["1.2345", "wrong"],
    ["1234.567", "wrong"],
    ["1.234,567", "wrong"],
    ["abc", "wrong"],
    ["999.999.999.999.999", 999999999999999n],
    ["1.000.000.000.000.000", "wrong"],
  ];
  for (const [typed, expected] of cases) t.is(read(typed), expected, JSON.stringify(typed));
});

test("a currency with decimals takes one or two of them", (t) => {
  t.is(read("20,5", 2), 2050n);
  t.is(read("1.234,56", 2), 123456n);
  t.is(read("1,234.56", 2), 123456n);
  t.is(read("20.000", 2), 2000000n);
  t.is(read("0,05", 2), 5n);
  t.is(read("1,239", 2), 123900n);
});

test("what is shown is read as the same amount, for any amount and any currency", (t) => {
  const amounts = fc.bigInt({ min: 0n, max: 999_999_999_999_999n });
  fc.assert(
    fc.property(amounts, fc.constantFrom(0, 2), (units, decimals) => {
      t.is(read(groupAmount(units, decimals), decimals), units);
      if (decimals === 0) t.is(read(formatAmount(units, "IDR", 0, "id"), 0), units);
    }),
  );
});

test("amounts are shown exactly", (t) => {
  t.is(formatAmount(20000, "IDR", 0, "id").replace("\u00a0", " "), "Rp 20.000");
  t.is(formatAmount(-2050n, "SAR", 2, "en").replace("\u00a0", " "), "-SAR 20.50");
  t.is(formatAmount(9_007_199_254_740_993n, "IDR", 0, "id").slice(-21), "9.007.199.254.740.993");
});

test("the console gives the API what was read, with a sign only where one may stand", (t) => {
  const text = (typed: string, isSigned = false) => {
    const amount = readAmountText(typed, { isSigned });
    return amount.kind === "amount" ? amount.text : amount.kind;
  };
  t.is(text("20.000"), "20000");
  t.is(text("20,000"), "20000");
  t.is(text("20.5"), "20.50");
  t.is(text("1.234,56"), "1234.56");
  t.is(text("1,5jt"), "1500000");
  t.is(text("1,2345"), "wrong");
  t.is(text("-20.000"), "wrong");
  t.is(text("-20.000", true), "-20000");
  t.is(text("-0,05", true), "-0.05");
  t.is(text("-", true), "wrong");
  t.is(text("", true), "empty");
  t.is(amountToSend("20.000"), "20000");
  t.is(amountToSend("0,00"), null);
  t.is(amountToSend("-0", { isSigned: true }), null);
  t.is(amountToSend("twenty"), null);
});

test("prices are multiplied and chosen amounts added without a double", (t) => {
  t.is(timesAmount("25000.50", 2), "50001");
  t.is(timesAmount("0.05", 3), "0.15");
  t.is(timesAmount("9007199254740.99", 1000), "9007199254740990");
  t.is(sumAmounts([]), "0");
  t.is(sumAmounts(["0.1", "0.2"]), "0.30");
  t.is(sumAmounts(["9007199254740993", "1"]), "9007199254740994");
  t.true(isSameAmount("764999", "764999.00"));
  t.true(isSameAmount("0.5", "0.50"));
  t.true(isSameAmount("100", "100"));
  t.false(isSameAmount("100", "1"));
  t.false(isSameAmount("764999.01", "764999.1"));
});
