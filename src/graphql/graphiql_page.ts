import "postgraphile";
import "postgraphile/grafserv/express/v4";

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
