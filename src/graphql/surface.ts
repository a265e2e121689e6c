/** What of the database's shape shows in the schema, and under which names. */
import "./graphile_env.ts";
import "postgraphile";
import { TYPES } from "postgraphile/@dataplan/pg";

// Tables that grow without end: there, filters and orders go by indexed columns only.
const LARGE_TABLES = new Set([
  "journal_entry",
  "journal_line",
  "month_movement",
  "sub_balance",
  "settlement",
  "settlement_entry",
  "settlement_range",
  "hold",
  "closing_snapshot",
  "journal_seal",
  "journal_seal_total",
  "journal_seal_entry",
  "deposit",
  "reading",
  "rated_line",
  "customer_charge",
  "branch_intake",
]);

// Numbers of transactions, which mean nothing to a client.
const TRANSACTION_COLUMNS = new Set(["posted_in", "changed_in"]);

/** Columns keep their names (`id` would become `rowId`), and small tables filter by any of them. */
export const SurfacePlugin: GraphileConfig.Plugin = {
  name: "SurfacePlugin",
  version: "0.0.0",
  before: ["PgIndexBehaviorsPlugin"],
  inflection: {
    replace: {
      _attributeName(previous, _options, details) {
        return previous?.({ ...details, skipRowId: true }) ?? details.attributeName;
      },
    },
  },
  gather: {
    hooks: {
      pgCodecs_findPgCodec(_info, event) {
        // A transaction's number means nothing outside; as text it needs no type of its own.
        if (!event.pgCodec && event.pgType.typname === "xid8") {
          event.pgCodec = TYPES.text;
        }
      },
      pgCodecs_attribute(_info, { attribute, pgAttribute }) {
        const table = pgAttribute.getClass();
        if (table?.relkind === "r" && !LARGE_TABLES.has(table.relname)) {
          attribute.extensions = { ...attribute.extensions, isIndexed: true };
        }
      },
    },
  },
  schema: {
    entityBehavior: {
      pgCodecAttribute: {
        override: {
          callback(behavior, [codec, attributeName]) {
            if (codec.attributes[attributeName]?.codec !== TYPES.text) return behavior;
            if (TRANSACTION_COLUMNS.has(attributeName)) return "-*";
            // Text is not what PostgreSQL could compare with the column.
            return attributeName === "transaction_id"
              ? [behavior, "-filterBy", "-attribute:filterBy", "-condition:attribute:filterBy"]
              : behavior;
          },
        },
      },
    },
  },
};
