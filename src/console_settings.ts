/** Settings of the console: its address, and signing in by OpenID Connect. */
import { z } from "zod";
import { issuerAddress, roleMapping, setting, webAddress, whole } from "./setting_schemas.ts";

const line = z.string().min(1).max(200);

/** As src/config.ts has them, in the order of the documents. */
export const consoleSettings = {
  consoleUrl: setting(
    "SALDO_CONSOLE_URL",
    "Address by which browsers reach this server, for links that sign in, and OpenID Connect",
    webAddress,
    "`http://localhost` with PORT; for OpenID Connect as the browser has it",
  ),
  allowedDocuments: setting(
    "SALDO_ALLOWED_DOCUMENTS",
    "The only GraphQL documents that are taken: those of the `console`, or of a JSON file of SHA-256 hashes",
    z.string().min(1).optional(),
    "none, any is taken",
  ),
  exportTimeoutMs: setting(
    "SALDO_EXPORT_TIMEOUT_MS",
    "Longest time of an export as CSV, with the time that the client takes to read it",
    whole(1000, 3_600_000, 600_000),
  ),
  oidcIssuer: setting(
    "SALDO_OIDC_ISSUER",
    "Identity provider by which people sign in to the console (OpenID Connect), as it names itself",
    issuerAddress,
    "none",
  ),
  oidcClientId: setting(
    "SALDO_OIDC_CLIENT_ID",
    "Name that it knows Saldo by; `/console/oidc/callback` is the address to return to",
    line.optional(),
  ),
  oidcClientSecret: setting(
    "SALDO_OIDC_CLIENT_SECRET",
    "Secret that it has given to Saldo",
    line.optional(),
    "none, it is a public client",
  ),
  oidcScope: setting("SALDO_OIDC_SCOPE", "What is asked of it", line.default("openid profile")),
  oidcRoleClaim: setting(
    "SALDO_OIDC_ROLE_CLAIM",
    "Claim that says what somebody may do, a text or a list; `realm_access.roles` looks inside",
    line.default("groups"),
  ),
  oidcRoles: setting(
    "SALDO_OIDC_ROLES",
    "Which role each of its values has, the first that fits: `it-admins=admin,finance=accountant`",
    roleMapping,
  ),
  oidcSubjectClaim: setting(
    "SALDO_OIDC_SUBJECT_CLAIM",
    "Claim that says who acts, as the records have it: none that people can change themselves",
    line.default("sub"),
  ),
  oidcSessionMinutes: setting(
    "SALDO_OIDC_SESSION_MINUTES",
    "Longest session of somebody who came from it: a role that it takes back goes on for so long",
    whole(5, 720, 240),
  ),
  oidcName: setting(
    "SALDO_OIDC_NAME",
    "Its name on the button",
    line.optional(),
    "the host of SALDO_OIDC_ISSUER",
  ),
};
