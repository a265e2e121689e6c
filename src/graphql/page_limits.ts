import { constant, lambda, list, type Step } from "postgraphile/grafast";
import "postgraphile";
import { Refusal } from "../errors/refusal.ts";
import type { QueryLimits } from "./query_cost.ts";

type PageLimits = Pick<QueryLimits, "pageSizeDefault" | "pageSizeMax" | "offsetMax">;

/** A step that takes a page, as connections of Grafast do. */
interface PagedStep {
  setFirst($first: Step): void;
  setOffset($offset: Step): void;
}

/**
 * Gives every connection a page size when none is asked for, and holds the ceilings a second
 * time: what the gate missed (a default of a variable, say) is refused here.
 */
export function makePageLimitsPlugin(limits: PageLimits): GraphileConfig.Plugin {
  const pageSizeReader =
    (sizeDefault: number) =>
    ([first, last]: readonly unknown[]): unknown => {
      requireWithin(first, limits.pageSizeMax, "first");
      requireWithin(last, limits.pageSizeMax, "last");
      return first ?? (last == null ? sizeDefault : undefined);
    };
  const offsetOf = (offset: unknown): unknown => {
    requireWithin(offset, limits.offsetMax, "offset");
    return offset;
  };

  return {
    name: "PageLimitsPlugin",
    version: "0.0.0",
    schema: {
      hooks: {
        GraphQLObjectType_fields_field(field, _build, context) {
          const { isPgFieldConnection, isPgFieldSimpleCollection, pgFieldResource } = context.scope;
          const plan = field.plan;
          if (!(isPgFieldConnection || isPgFieldSimpleCollection) || plan === undefined) {
            return field;
          }
          // A report cut short would look as if it did not balance.
          const isReport = pgFieldResource?.parameters !== undefined;
          const sizeOf = pageSizeReader(isReport ? limits.pageSizeMax : limits.pageSizeDefault);
          return {
            ...field,
            plan($parent, fieldArgs, info) {
              const $result = plan($parent, fieldArgs, info);
              const sizes = [fieldArgs.getRaw("first"), fieldArgs.getRaw("last")];
              const $sizes = list(
                sizes.map(($size) => ($size as Step | undefined) ?? constant(null)),
              );
              ($result as unknown as PagedStep).setFirst(lambda($sizes, sizeOf, true));
              return $result;
            },
          };
        },
        GraphQLObjectType_fields_field_args(args, _build, context) {
          const { isPgFieldConnection, isPgFieldSimpleCollection } = context.scope;
          if (!(isPgFieldConnection || isPgFieldSimpleCollection)) {
            return args;
          }
          const { first, offset } = args;
          return {
            ...args,
            // The field's own plan sets it, since this would be passed over when it is not given.
            ...(first ? { first: { ...first, applyPlan: undefined } } : {}),
            ...(offset
              ? {
                  offset: {
                    ...offset,
                    applyPlan(_$parent: Step, $paged: PagedStep, value: { getRaw(): Step }) {
                      $paged.setOffset(lambda(value.getRaw(), offsetOf, true));
                    },
                  },
                }
              : {}),
          } as typeof args;
        },
      },
    },
  };
}

function requireWithin(size: unknown, sizeMax: number, what: string): void {
  if (size != null && !(Number(size) >= 0 && Number(size) <= sizeMax)) {
    throw new Refusal("page_invalid", `${what}: 0 to ${sizeMax}`);
  }
}
