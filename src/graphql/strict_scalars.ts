import type { GraphQLScalarTypeConfig } from "graphql";
import "postgraphile";
import {
  decimalReader,
  literalValue,
  type ReadValue,
  readBigInt,
  readDateOrMonth,
  readDatetime,
  readMonth,
  readUuid,
} from "./read_scalars.ts";

// Names as PostGraphile derives them from the types numeric, saldo.amount, saldo.total and so on.
const READERS: Readonly<Record<string, ReadValue>> = {
  BigFloat: decimalReader(15),
  Amount: decimalReader(15),
  Total: decimalReader(21),
  HeldTotal: decimalReader(21),
  Volume: decimalReader(15),
  BigInt: readBigInt,
  Datetime: readDatetime,
  Date: readDateOrMonth,
  MonthStart: readMonth,
  UUID: readUuid,
};

type ScalarConfig = GraphQLScalarTypeConfig<unknown, unknown>;

/** Makes the scalars refuse what they would otherwise coerce, before the database sees it. */
export const StrictScalarsPlugin: GraphileConfig.Plugin = {
  name: "StrictScalarsPlugin",
  version: "0.0.0",
  schema: {
    hooks: {
      GraphQLScalarType(config) {
        const read = READERS[config.name];
        return read ? { ...config, ...strict(read, isDecimal(config.name)) } : config;
      },
    },
  },
};

const DECIMALS = new Set(["BigFloat", "Amount", "Total", "HeldTotal", "Volume"]);

const isDecimal = (name: string): boolean => DECIMALS.has(name);

function strict(
  read: ReadValue,
  decimal: boolean,
): Pick<ScalarConfig, "parseValue" | "parseLiteral"> {
  return {
    parseValue: read,
    parseLiteral: (node) => read(literalValue(node, decimal ? "amount_invalid" : "input_invalid")),
  };
}
