import { type GraphQLError, NoSchemaIntrospectionCustomRule } from "graphql";
import "postgraphile/grafserv";

// A document with a thousand mistakes does not need a thousand answers.
const ERROR_COUNT_MAX = 5;

interface ValidationOptions {
  readonly isIntrospectionAllowed: boolean;
  readonly maskError: (error: GraphQLError) => GraphQLError;
}

/**
 * Shapes errors of syntax and validation like all others (the server masks only those of an
 * execution), and closes the schema to introspection where that is wanted.
 */
export function makeValidationPlugin(options: ValidationOptions): GraphileConfig.Plugin {
  return {
    name: "ValidationPlugin",
    version: "0.0.0",
    grafserv: {
      middleware: {
        setPreset(next, event) {
          if (!options.isIntrospectionAllowed) {
            event.validationRules = [...event.validationRules, NoSchemaIntrospectionCustomRule];
          }
          const getExecutionConfig = event.getExecutionConfig;
          event.getExecutionConfig = async function getMaskedExecutionConfig(context) {
            const config = await getExecutionConfig.call(this, context);
            return {
              ...config,
              parseAndValidate(query) {
                const result = config.parseAndValidate(query);
                return result.errors === undefined
                  ? result
                  : { errors: result.errors.slice(0, ERROR_COUNT_MAX).map(options.maskError) };
              },
            };
          };
          return next();
        },
      },
    },
  };
}
