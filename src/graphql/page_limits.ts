import { constant, lambda, list, type Step } from "postgraphile/grafast";
import "postgraphile";
import type { QueryLimits } from "./query_cost.ts";

type PageLimits = Pick<QueryLimits, "pageSizeDefault" | "pageSizeMax">;

/** A step that takes a page, as connections of Grafast do. */
interface PagedStep {
  setFirst($first: Step): void;
}

/**
 * Gives every connection a page size when none is asked for. Sizes that are asked for come through
 * the gate of query_cost.ts, which refuses those above the ceilings before anything is planned.
 */
export function makePageLimitsPlugin(limits: PageLimits): GraphileConfig.Plugin {
  const pageSizeReader =
    (sizeDefault: number) =>
    ([first, last]: readonly unknown[]): unknown =>
      first ?? (last == null ? sizeDefault : undefined);

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
            ...(isReport && { extensions: { ...field.extensions, isReport } }),
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
          const { first } = args;
          return {
            ...args,
            // The field's own plan sets it, since this would be passed over when it is not given.
            ...(first ? { first: { ...first, applyPlan: undefined } } : {}),
          } as typeof args;
        },
      },
    },
  };
}
