/** Who calls: a role of the database and a subject, for as long as one request is served. */
import { AsyncLocalStorage } from "node:async_hooks";

/** Roles of the database by the role that a token names. */
export const DATABASE_ROLES = {
  admin: "saldo_admin",
  accountant: "saldo_accountant",
  operator: "saldo_operator",
  auditor: "saldo_auditor",
  cashier: "saldo_cashier",
  biller: "saldo_biller",
  app: "saldo_app",
  member: "saldo_member",
  branch: "saldo_branch",
} as const;

/** A role as a token names it; others that the database offers are texts. */
export type TokenRole = keyof typeof DATABASE_ROLES;

/** The verified caller of a request. */
export interface Caller {
  readonly role: `saldo_${string}`;
  readonly subject: string;
  readonly memberId: string;
  /** When its token ends, in milliseconds since 1970; nobody's never does. */
  readonly expiresAt?: number;
  /** Its service token, which may be revoked before. */
  readonly serviceTokenId?: string;
  /** Its session of the console, which may be ended before. */
  readonly sessionHash?: Buffer;
}

/** The caller of a request without a token. */
export const ANONYMOUS: Caller = { role: "saldo_anonymous", subject: "anonymous", memberId: "" };

const callers = new AsyncLocalStorage<Caller>();

/** The caller of the request that is being served; anonymous outside of one. */
export function currentCaller(): Caller {
  return callers.getStore() ?? ANONYMOUS;
}

/** Does something as a caller: nested calls see it as the current one. */
export function withCaller<Result>(caller: Caller | undefined, work: () => Result): Result {
  return callers.run(caller ?? ANONYMOUS, work);
}

/** The settings under which a caller's SQL runs, each for one transaction only. */
export function settingsFor(caller: Caller, timeoutMs: number) {
  return {
    role: caller.role,
    "saldo.subject": caller.subject,
    "saldo.member_id": caller.memberId,
    statement_timeout: String(timeoutMs),
  };
}
