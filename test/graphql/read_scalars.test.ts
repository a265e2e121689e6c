import test from "ava";
import {
  decimalReader,
  type ReadValue,
  readBigInt,
  readDateOrMonth,
  readDatetime,
  readMonth,
  readUuid,
} from "../../src/graphql/read_scalars.ts";

function codeOf(read: ReadValue, value: unknown): unknown {
  try {
    return read(value);
  } catch (error) {
    return (error as { extensions?: { code: string } }).extensions?.code ?? error;
  }
}

const readAmount = decimalReader(15);

test("plain decimal numbers pass as they are written", (t) => {
  for (const text of [
    "150000",
    "12.50",
    "0.001",
    "-5",
    "-0",
    "0",
    "000012",
    "999999999999999.99",
  ]) {
    t.is(codeOf(readAmount, text), text);
  }
  t.is(codeOf(readAmount, 150_000), "150000");
  t.is(codeOf(readAmount, 10.005), "10.005");
  t.is(codeOf(readAmount, 999_999_999_999_999), "999999999999999");
});

test("what is no plain decimal number is an invalid amount", (t) => {
  const others = [
    "NaN",
    "Infinity",
    "-Infinity",
    "",
    "0x10",
    "1_000",
    " 5 ",
    "5\n",
    "+5",
    "1,000",
    "1.",
    ".5",
    "1e2",
    "１２",
    "١٢",
    "\u200f12",
    "1\u0000",
    "--1",
    "1;drop",
    [1],
    ["1"],
    true,
    {},
    null,
    undefined,
    Number.NaN,
  ];
  for (const value of others) {
    t.is(codeOf(readAmount, value), "SB002", JSON.stringify(value));
  }
});

test("what is beyond every amount is out of range", (t) => {
  const beyond = [
    "1000000000000000",
    "9223372036854775808",
    "1e400",
    "1e131071",
    "1e1000000",
    "1e21",
    "-1E+99",
    "9".repeat(131_072),
    1e15,
    1e21,
    Number.POSITIVE_INFINITY,
    -1e300,
  ];
  for (const value of beyond) {
    t.is(codeOf(readAmount, value), "SB004", String(value).slice(0, 30));
  }
});

test("a number that a double cannot tell from its neighbours is refused", (t) => {
  t.is(codeOf(readAmount, Number("99999999999999.99")), "SB002");
  t.is(codeOf(readAmount, 1e-7), "SB003");
});

test("a long amount is refused by a look that grows with its length, and not with its square", (t) => {
  const refuse = (length: number) => {
    const startedAt = performance.now();
    t.is(codeOf(readAmount, "1.".padEnd(length, "1")), "SB003");
    t.is(codeOf(readAmount, "1e".padEnd(length, "1")), "SB004");
    t.is(codeOf(readAmount, "x".repeat(length)), "SB002");
    return performance.now() - startedAt;
  };
  const best = (length: number) => Math.min(...Array.from({ length: 9 }, () => refuse(length)));
  best(9_000); // compiled by now
  t.true(best(90_000) < 50 * best(9_000));
});

test("ids are whole numbers of 64 bits", (t) => {
  t.is(codeOf(readBigInt, "9223372036854775807"), "9223372036854775807");
  t.is(codeOf(readBigInt, 42), "42");
  for (const value of [
    "9223372036854775808",
    "1.0",
    1.5,
    "0x1",
    "1e2",
    "",
    " 1",
    [1],
    true,
    2 ** 53,
  ]) {
    t.is(codeOf(readBigInt, value), "SB010", JSON.stringify(value));
  }
});

test("a time needs its offset, and words are no time", (t) => {
  t.is(codeOf(readDatetime, "2025-11-16T05:44:21+07:00"), "2025-11-16T05:44:21+07:00");
  t.is(codeOf(readDatetime, "2025-11-16T05:44:21.123456Z"), "2025-11-16T05:44:21.123456Z");
  for (const value of [
    "now",
    "infinity",
    "-infinity",
    "today",
    "epoch",
    "2025-11-16",
    "2025-11-16T05:44:21",
    "294277-01-01T00:00:00Z",
    1_763_271_861,
    null,
  ]) {
    t.is(codeOf(readDatetime, value), "SB010", String(value));
  }
});

test("dates and uuids have one form", (t) => {
  t.is(codeOf(readDateOrMonth, "2025-11-16"), "2025-11-16");
  t.is(
    codeOf(readUuid, "01a1fb70-99c4-7a13-968d-5f7dc8698753"),
    "01a1fb70-99c4-7a13-968d-5f7dc8698753",
  );
  t.is(codeOf(readDateOrMonth, "2025-11"), "2025-11");
  t.is(codeOf(readMonth, "2025-11"), "2025-11-01");
  t.is(codeOf(readMonth, "2025-11-16"), "2025-11-16");
  for (const value of ["tomorrow", "16/11/2025", "2025-1-1", "2025-1", "2025-11-", 20_251_116]) {
    t.is(codeOf(readDateOrMonth, value), "SB010");
    t.is(codeOf(readMonth, value), "SB010");
  }
  for (const value of ["", "xyz", "{01a1fb70-99c4-7a13-968d-5f7dc8698753}", 1]) {
    t.is(codeOf(readUuid, value), "SB010");
  }
});
