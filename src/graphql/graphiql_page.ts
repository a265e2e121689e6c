import "postgraphile";
import "postgraphile/grafserv/express/v4";
import { TOKEN_FIELD, TOKEN_SCRIPT, TOKEN_STYLE } from "./graphiql_token.ts";

/** The page of GraphiQL, and what a browser lets it do: scripts of ours, and our API. */
export function graphiqlPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}'`,
    // The page builds style sheets while it runs.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "worker-src 'self' blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** What stands in the editor of somebody who is here for the first time. */
export const FIRST_QUERY = `# Saldo. The token goes into the field above.
# npm start prints one of an administrator,
# npx saldo token makes others. Without one there is
# health without amounts, and nothing more.
#
# A subscription takes its token from the tab "Headers":
# { "Authorization": "Bearer eyJ..." }

query Health {
  balanceHealth { isHealthy isValid driftCount }
}

query Members {
  members(first: 10) { nodes { id code name } }
}

mutation NewMember {
  createMember(input: { code: "ayu", name: "Ayu" }) {
    result { id accountId }
  }
}

mutation PayIn {
  topUp(input: {
    memberCode: "ayu", amount: "150000", idempotencyKey: "pay-in-1"
  }) {
    result { id postingDate originMonth }
  }
}
`;

/** The page under Saldo's name. */
export const graphiqlPage: GraphileConfig.Preset["ruru"] = {
  htmlParts: {
    titleTag: "<title>Saldo: GraphiQL</title>",
    styleTags: (original) => original + TOKEN_STYLE,
    headerScripts: (original) => TOKEN_SCRIPT + original,
    bodyContent: (original) => TOKEN_FIELD + original,
  },
  clientConfig: { defaultQuery: FIRST_QUERY },
};

/** Marks the scripts of the page as its own, by the nonce that its policy names. */
export const GraphiqlPagePlugin: GraphileConfig.Plugin = {
  name: "GraphiqlPagePlugin",
  version: "0.0.0",
  grafserv: {
    middleware: {
      ruruHTML(next, event) {
        const nonce = String(event.request.requestContext.expressv4?.res.locals["nonce"] ?? "");
        const parts = event.htmlParts as unknown as Record<string, string>;
        for (const [name, html] of Object.entries(parts)) {
          parts[name] = html.replaceAll(/<script\b/g, `<script nonce="${nonce}"`);
        }
        return next();
      },
    },
  },
};
