import pg from "pg";
import { makeConsoleLink } from "../../src/auth/console_link.ts";
import type { Answer, Api } from "../_support/api.ts";

/** The code of a new link. */
export async function linkCode(
  api: Api,
  role = "admin",
  subject = "anna",
  member?: string,
): Promise<string> {
  const owner = new pg.Client({ connectionString: api.connectionString });
  await owner.connect();
  try {
    const address = { host: "127.0.0.1", port: 8080 };
    const link = await makeConsoleLink(owner, { role, subject, member }, address);
    return new URL(link).hash.slice(1);
  } finally {
    await owner.end();
  }
}

let pages = 0;

/**
 * Calls as a page of the console does: from its own origin, with a cookie. Where the server trusts a
 * proxy each page is in a network of its own: refusals are counted by network.
 */
export function page(api: Api, cookie?: string) {
  pages += 1;
  const headers = {
    origin: api.url,
    "x-forwarded-for": `10.${pages >> 8}.${pages & 255}.1`,
    "content-type": "application/json",
    ...(cookie !== undefined && { cookie }),
  };
  return {
    headers,
    signIn: (body: object, more: Record<string, string> = {}) =>
      api.request("/console/session", {
        method: "POST",
        headers: { ...headers, ...more },
        body: JSON.stringify(body),
      }),
    async session() {
      return JSON.parse((await api.request("/console/session", { headers })).text);
    },
    signOut: (more: Record<string, string> = {}) =>
      api.request("/console/session", { method: "DELETE", headers: { ...headers, ...more } }),
    ask: (query: string, more: Record<string, string> = {}) =>
      api.send(JSON.stringify({ query }), { ...headers, ...more }),
  };
}

/** The cookie that an answer sets, as the next request sends it. */
export function cookieOf(answer: Answer): string {
  const [pair = ""] = (answer.headers.get("set-cookie") ?? "").split(";");
  return pair;
}

/** Signs in by a new link. */
export async function signedIn(api: Api, role = "admin", subject = "anna", member?: string) {
  const code = await linkCode(api, role, subject, member);
  return page(api, cookieOf(await page(api).signIn({ code })));
}
