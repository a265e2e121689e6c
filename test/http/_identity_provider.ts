import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";

/** An identity provider on this machine, whose people need no password. */
export interface IdentityProvider {
  issuer: string;
  /** What the provider says of somebody. */
  people: Record<string, Record<string, unknown>>;
  /** Who is signed in next. */
  next: string;
  close(): void;
}

/** Starts one that knows a client `saldo` with this address to return to. */
export async function startIdentityProvider(redirectUri: string): Promise<IdentityProvider> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`;
  const people: IdentityProvider["people"] = {};
  const own: IdentityProvider = { issuer, people, next: "", close: () => close() };
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "saldo",
        client_secret: "a secret of the provider's",
        redirect_uris: [redirectUri],
      },
    ],
    claims: {
      openid: ["sub"],
      profile: ["groups", "realm", "email", "email_verified", "member_id"],
    },
    cookies: { keys: ["a key for tests"] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, ...people[id] }),
    }),
    async loadExistingGrant(context: GrantContext) {
      const grant = new context.oidc.provider.Grant({
        clientId: context.oidc.client.clientId,
        accountId: context.oidc.session.accountId,
      });
      grant.addOIDCScope("openid profile");
      await grant.save();
      return grant;
    },
  });
  const serve = provider.callback();
  server.on("request", async (request, response) => {
    if (!request.url?.startsWith("/interaction/")) return serve(request, response);
    await provider.interactionFinished(request, response, { login: { accountId: own.next } });
  });
  function close(): void {
    server.closeAllConnections();
    server.close();
  }
  return own;
}

interface GrantContext {
  oidc: {
    provider: typeof Provider.prototype;
    client: { clientId: string };
    session: { accountId: string };
  };
}
