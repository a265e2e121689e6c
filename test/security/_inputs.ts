import { readFileSync } from "node:fs";
import {
  buildSchema,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
} from "graphql";

/** The schema as it is published. */
export const schema = buildSchema(readFileSync("schema.graphql", "utf8"));

/** A source of chance that can be repeated. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 to just below 1 (Mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** Whether something of this probability happens. */
  is(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number from 0 to one below the count. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}

const decimals = [
  "1",
  "0.01",
  "150000",
  "-5",
  "0",
  "-0",
  "1e400",
  "NaN",
  "10.005",
  "999999999999999",
];
const numbers = ["1", "2", "3", 4, "5", "0", "-1", "9223372036854775807", "9223372036854775808"];
const texts = [
  "",
  "a",
  "budi",
  "IDR",
  "' or 1=1 --",
  "'); drop table saldo.account; --",
  "x".repeat(300),
  "\u202e\u2066reversed",
  "𝒳 é",
  "a\u0000b",
  "line\nline",
  "%s%n%x",
  "../../etc/passwd",
  "{}",
  "[1]",
  "$1",
];
const days = ["2025-01-01", "2025-02-31", "0001-01-01", "9999-12-31", "infinity", "2026-12-01"];
const instants = ["2025-11-16T05:44:21Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "now"];

/** Values of each scalar: some that fit, some at the edges, some that are none. */
const values: Readonly<Record<string, readonly unknown[]>> = {
  Amount: decimals,
  BigFloat: decimals,
  HeldTotal: decimals,
  Total: decimals,
  Volume: decimals,
  Float: [0, 1.5, -1, 1e308],
  BigInt: numbers,
  Int: [0, 1, 2, 100, -1, 2_147_483_647, 2_147_483_648, 1.5],
  String: texts,
  Boolean: [true, false],
  Date: days,
  MonthStart: days,
  Datetime: instants,
  UUID: ["00000000-0000-0000-0000-000000000000", "x"],
  Cursor: ["WyJuYXR1cmFsIiwxXQ==", "W10=", "x", btoa('["x",{"a":[1]}]')],
  JSON: [{}, [], null, "x", 1, [{}], { a: { b: [null] } }, [{ account_id: 1, amount: "1" }]],
  Base64EncodedBinary: ["AAAA", "="],
  InternetAddress: ["127.0.0.1", "127.0.0.1/33"],
};

// Of another type altogether, or too much of it.
const misfits = [null, true, 1, -1.5, "x", "", [], {}, [[[]]], { a: 1 }, "9".repeat(500)];

/** A request as its client would send it. */
export interface Sent {
  readonly field: string;
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Makes requests of the schema, with values that fit now and then. */
export class Inputs {
  readonly #chance: Chance;
  readonly #known: Readonly<Record<string, readonly unknown[]>>;

  /** @param known values of scalars that mean something in the database */
  constructor(chance: Chance, known: Readonly<Record<string, readonly unknown[]>>) {
    this.#chance = chance;
    this.#known = known;
  }

  /** Requests for one field of the top level, all of one document: a new one is costly to plan. */
  requests(
    kind: "query" | "mutation",
    count: number,
    isWanted: (name: string) => boolean = () => true,
  ): Sent[] {
    const root = kind === "query" ? schema.getQueryType() : schema.getMutationType();
    const fields = Object.values(root?.getFields() ?? {}).filter(({ name }) => isWanted(name));
    const field = this.#chance.of(fields);
    const given = field.args.filter(
      (argument) => isRequiredArgument(argument) || this.#chance.is(0.4),
    );
    const declared = given.map(({ name, type }) => `$${name}: ${type}`).join(", ");
    const passed = given.map(({ name }) => `${name}: $${name}`).join(", ");
    const head = declared === "" ? kind : `${kind} (${declared})`;
    const call = passed === "" ? field.name : `${field.name}(${passed})`;
    const query = `${head} { ${call}${this.#selection(field.type, 3)} }`;
    return Array.from({ length: count }, () => ({
      field: field.name,
      query: this.#chance.is(0.01) ? this.#bent(query) : query,
      variables: Object.fromEntries(given.map(({ name, type }) => [name, this.#value(type, 0)])),
    }));
  }

  #value(type: GraphQLInputType, depth: number): unknown {
    if (this.#chance.is(0.04)) return this.#chance.of(misfits);
    if (isNonNullType(type)) return this.#value(type.ofType, depth);
    if (isListType(type)) {
      const length = this.#chance.is(0.05) ? 30 : this.#chance.below(3);
      return Array.from({ length }, () => this.#value(type.ofType, depth + 1));
    }
    if (isEnumType(type)) return this.#chance.of(type.getValues()).name;
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields());
      const chosen = fields.filter(
        (field) => isNonNullType(field.type) || (depth < 3 && this.#chance.is(0.4)),
      );
      return Object.fromEntries(
        chosen.map((field) => [field.name, this.#value(field.type, depth + 1)]),
      );
    }
    const known = this.#known[type.name] ?? [];
    if (known.length > 0 && this.#chance.is(0.6)) return this.#chance.of(known);
    return this.#chance.of(values[type.name] ?? texts);
  }

  #selection(type: GraphQLOutputType, depth: number): string {
    const named = getNamedType(type);
    if (!isObjectType(named)) return "";
    const fields = Object.values(named.getFields()).filter(isFree);
    const leaves = fields.filter((field) => !isObjectType(getNamedType(field.type)));
    const branches = fields.filter((field) => isObjectType(getNamedType(field.type)));
    const parts = ["__typename"];
    for (let count = this.#chance.below(5); count > 0 && leaves.length > 0; count -= 1) {
      parts.push(this.#chance.of(leaves).name);
    }
    if (depth > 0 && branches.length > 0) {
      const branch = this.#chance.of(branches);
      parts.push(branch.name + this.#selection(branch.type, depth - 1));
    }
    return ` { ${parts.join(" ")} }`;
  }

  /** A document that somebody has typed wrongly. */
  #bent(query: string): string {
    const at = this.#chance.below(query.length);
    const what = this.#chance.of(["", "{", "}", "@x", "...", '"', "\u0000", "$", "#", "🙂"]);
    return query.slice(0, at) + what + query.slice(at + 1);
  }
}

const isFree = (field: GraphQLField<unknown, unknown>) => !field.args.some(isRequiredArgument);

/** The fields of a type that need no argument. */
export function freeFields(type: GraphQLObjectType) {
  return Object.values(type.getFields()).filter(isFree);
}
