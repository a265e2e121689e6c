/**
 * Codes where an id is asked: beside `customerId` a function takes `customerCode`, and a month is
 * `2024-08` too. The ids of codes are found by the functions of the schema, as the caller.
 */
import { GraphQLNonNull, GraphQLString, getNamedType, isInputObjectType } from "graphql";
import {
  ConstantStep,
  constant,
  type ExecutionDetails,
  type FieldArgs,
  type GrafastResultsList,
  lambda,
  operationPlan,
  Step,
} from "postgraphile/grafast";
import "postgraphile";
import { refusalError } from "../errors/refusal.ts";
import { readMonth } from "./read_scalars.ts";

/** What is known by a code, and the function that gives its id. */
const ID_ARGUMENT = /^(?:[a-z]+(?=[A-Z]))?(account|customer|member|product|meter)Id$/i;
const MONTH_ARGUMENT = /^(?:[a-z]+M|m)onth$/;

interface Client {
  query<TRow>(query: { text: string; values: readonly unknown[] }): Promise<{ rows: TRow[] }>;
}

interface Executor {
  pgSettings: Record<string, string>;
  withPgClient<TResult>(
    settings: Record<string, string>,
    work: (client: Client) => Promise<TResult>,
  ): Promise<TResult>;
}

interface Reference {
  /** Name of the argument with the id. */
  readonly id: string;
  /** Name of the argument with the code. */
  readonly code: string;
  readonly kind: string;
}

function referenceOf(name: string): Reference | undefined {
  const kind = ID_ARGUMENT.exec(name)?.[1]?.toLowerCase();
  return kind === undefined ? undefined : { id: name, code: name.replace(/Id$/, "Code"), kind };
}

/** Ids and codes, as steps of one argument, to the id; it waits for nothing where no code is given. */
class IdOfCodeStep extends Step {
  static override readonly $$export = { moduleName: "saldo", exportName: "IdOfCodeStep" };

  readonly #reference: Reference;

  // It asks the database where there is a code.
  override isSyncAndSafe = false;

  constructor(steps: readonly Step[], reference: Reference) {
    super();
    this.#reference = reference;
    for (const step of steps) this.addDependency(step);
  }

  execute({ indexMap, values }: ExecutionDetails): GrafastResultsList<unknown> {
    const [ids, executors, ...codes] = values;
    return indexMap((index) =>
      this.#idOf(
        ids?.at(index),
        executors?.at(index) as Executor,
        codes.map((code) => code.at(index) as string | null | undefined),
      ),
    );
  }

  #idOf(id: unknown, executor: Executor, codes: readonly (string | null | undefined)[]): unknown {
    const { id: idName, code: codeName, kind } = this.#reference;
    // Of a meter the customer's code comes first; the last one is its own.
    const isByCode = codes.at(-1) != null;
    if (id != null) {
      if (isByCode) throw refusalError("input_invalid", `${idName} or ${codeName}, not both`);
      return id;
    }
    if (isByCode) return findId(executor, kind, codes);
    // Without either the function is asked: whether the caller may call it comes first.
    return id;
  }
}

async function findId(
  { withPgClient, pgSettings }: Executor,
  kind: string,
  codes: readonly unknown[],
): Promise<string | undefined> {
  const places = codes.map((_, index) => `$${index + 1}`);
  const text = `select saldo.id_of_${kind}(${places.join(", ")})::text as id`;
  const { rows } = await withPgClient(pgSettings, (client) =>
    client.query<{ id: string }>({ text, values: codes }),
  );
  return rows[0]?.id;
}

type Names = readonly string[];

/** The arguments that codes add to these. */
function codeArguments(names: Names) {
  const added: Record<string, { type: typeof GraphQLString; description: string }> = {};
  for (const reference of names.map(referenceOf)) {
    if (reference === undefined || names.includes(reference.code)) continue;
    const { code, id, kind } = reference;
    added[code] = {
      type: GraphQLString,
      description:
        kind === "meter"
          ? `Code of the meter, in place of \`${id}\`, with \`${code.replace(/meter/i, "customer")}\`.`
          : `Code, in place of \`${id}\`.`,
    };
    if (kind === "meter" && !names.includes("customerId")) {
      added["customerCode"] = {
        type: GraphQLString,
        description: `Code of the customer whose meter \`${code}\` is.`,
      };
    }
  }
  return added;
}

interface Typed {
  type: unknown;
}

/** The fields with their codes, ids no longer required. */
function withCodes<TFields extends Record<string, Typed>>(fields: TFields): TFields {
  const added = codeArguments(Object.keys(fields));
  const loosened = Object.entries(fields).map(([name, field]) => {
    const code = referenceOf(name)?.code;
    const isLoose = code !== undefined && code in added && field.type instanceof GraphQLNonNull;
    return [
      name,
      isLoose ? { ...field, type: (field.type as GraphQLNonNull<never>).ofType } : field,
    ];
  });
  return { ...Object.fromEntries(loosened), ...added } as TFields;
}

const isAbsent = ($step: Step | undefined): boolean =>
  $step instanceof ConstantStep && $step.data == null;

/** Arguments of a plan, with ids found by codes and months made dates. */
function readingCodes(
  fieldArgs: FieldArgs,
  {
    names,
    path,
    executor,
  }: {
    names: Names;
    path: readonly string[];
    executor: { context(): Step };
  },
): FieldArgs {
  const raw = (name: string) => fieldArgs.getRaw([...path, name]) as Step;
  const replaced = (name: string): Step | undefined => {
    const { name: type } = getNamedType(fieldArgs.typeAt([...path, name]));
    if (type === "Date" && MONTH_ARGUMENT.test(name)) {
      return lambda(raw(name), (month) => (month == null ? month : readMonth(month)), true);
    }
    const reference = referenceOf(name);
    if (reference === undefined || !names.includes(reference.code)) return undefined;
    const codes = [raw(reference.code)];
    // A document that names no code needs no step.
    if (isAbsent(codes[0])) return undefined;
    if (reference.kind === "meter") {
      codes.unshift(names.includes("customerCode") ? raw("customerCode") : constant(null));
    }
    return operationPlan().withRootLayerPlan(
      () => new IdOfCodeStep([raw(name), executor.context(), ...codes], reference),
    );
  };
  return new Proxy(fieldArgs, {
    get(target, property, receiver) {
      if (property !== "getRaw") return Reflect.get(target, property, receiver);
      return (at: string | readonly (string | number)[]) => {
        const whole = typeof at === "string" ? [at] : at;
        const name = whole.at(-1);
        const isOurs =
          whole.length === path.length + 1 && path.every((part, i) => part === whole[i]);
        return (isOurs && replaced(String(name))) || target.getRaw(at as string);
      };
    },
  });
}

/** Takes a code wherever a function of the schema asks for an id, and `2024-08` for a month. */
export const CodesPlugin: GraphileConfig.Plugin = {
  name: "CodesPlugin",
  version: "0.0.0",
  schema: {
    hooks: {
      GraphQLInputObjectType_fields(fields, _build, { scope }) {
        return scope.isMutationInput ? withCodes(fields) : fields;
      },
      GraphQLObjectType_fields_field_args(args, _build, { scope }) {
        return isQueryFunction(scope) ? withCodes(args) : args;
      },
      GraphQLObjectType_fields_field(field, build, { scope }) {
        const { plan } = field;
        const isMutation = scope.isRootMutation && scope.fieldBehaviorScope === "mutationField";
        const [executor] = Object.values(build.input.pgRegistry.pgExecutors);
        if (plan === undefined || executor === undefined) return field;
        if (!(isMutation || isQueryFunction(scope))) return field;
        return {
          ...field,
          plan($parent, fieldArgs, info) {
            const { args } = info.field;
            const input = args.find(({ name }) => isMutation && name === "input");
            const type = getNamedType(input?.type);
            const names = isInputObjectType(type)
              ? Object.keys(type.getFields())
              : args.map(({ name }) => name);
            const path = input === undefined ? [] : [input.name];
            return plan($parent, readingCodes(fieldArgs, { names, path, executor }), info);
          },
        };
      },
    },
  },
};

/** Whether a field of the top level is a function that reads. */
function isQueryFunction(scope: { isRootQuery?: boolean; fieldBehaviorScope?: string }): boolean {
  return scope.isRootQuery === true && scope.fieldBehaviorScope?.startsWith("queryField:") === true;
}
