/** What each scalar stands for in JSON, as the schema tells it. */
import "postgraphile";

const DECIMAL = 'In JSON a text such as "150000" or "12.50", since a number would lose digits';

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  Amount: `An amount of money, with 2 decimals at most and below 10^15. ${DECIMAL}.`,
  Base64EncodedBinary: "Bytes, such as a hash, as a text in Base64.",
  BigFloat:
    "A decimal number of any precision, an amount of money where nothing else is said. " +
    `${DECIMAL}; as an argument a number is taken too, as long as it is exact.`,
  BigInt:
    'A whole number of 64 bits, an id or a count. In JSON a text such as "42"; as an argument a ' +
    "number is taken too, as long as it is exact.",
  Cursor:
    "A place in a list, to go on from with after or before. Its content means nothing outside.",
  Date:
    'A calendar date, such as "2026-11-16". An argument that is a month takes "2026-11" as well; ' +
    "any other refuses that.",
  Datetime:
    "An instant as RFC 3339 has it, with microseconds and an offset, such as " +
    '"2026-11-16T05:44:21.123456+07:00". An argument without an offset is refused.',
  HeldTotal: `A sum of holds, of 0 or more, below 10^21. ${DECIMAL}.`,
  InternetAddress: 'An address of IPv4 or IPv6, or a network, such as "192.0.2.7".',
  JSON: "Any value of JSON. Amounts in it are texts.",
  MonthStart: 'A month, as the date of its first day: "2026-11-01".',
  Total: `A sum of amounts, below 10^21, negative too. ${DECIMAL}.`,
  UUID: 'A uuid in its usual form, such as "0190a3b4-5c6d-7e8f-9012-3456789abcde".',
  Volume: `A volume in cubic metres, with 6 decimals at most. ${DECIMAL}.`,
};

/** Gives every scalar of the schema its description. */
export const ScalarDescriptionsPlugin: GraphileConfig.Plugin = {
  name: "ScalarDescriptionsPlugin",
  version: "0.0.0",
  schema: {
    hooks: {
      GraphQLScalarType(config) {
        const description = DESCRIPTIONS[config.name];
        // A link to some other reading of the same name would mislead.
        return description === undefined
          ? config
          : { ...config, description, specifiedByURL: null };
      },
    },
  },
};
