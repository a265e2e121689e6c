/** Who is signed in, and what this role may do. */
import { useQuery } from "@tanstack/react-query";
import type { TypedDocument } from "./document.ts";
import { client, sessionKey as key } from "./query_client.ts";
import { send } from "./request.ts";

/** What the server says of the session; `subject` is null where there is none. */
export interface Session {
  readonly subject: string | null;
  readonly role: string | null;
  /** The role with all that it consists of; not there while nobody is signed in. */
  readonly roles?: readonly string[];
  readonly member_id: string | null;
  readonly expires_at: string | null;
  /** Zone and currency of the business. */
  readonly time_zone: string;
  readonly currency: string;
  /** Of the built page that the server has now. */
  readonly version: string;
  readonly sign_in: { readonly oidc: { readonly name: string } | null };
}

const AGAIN_MS = 120_000;

/** Of a session that has ended the page keeps zone, currency and roles: its forms stay as they are. */
async function ask(signal: AbortSignal): Promise<Session> {
  const session = (await send("GET", "/console/session", undefined, signal)) as Session;
  const before = client.getQueryData<Session>(key);
  if (session.subject === null) return { ...before, ...session };
  // Another tab of this browser signs in for all of them.
  if (before !== undefined && !isSame(before, session)) forgetOthers();
  return session;
}

const isSame = (one: Session, other: Session) =>
  one.subject === other.subject && one.role === other.role && one.member_id === other.member_id;

/** What another person has seen in this browser is not the next one's. */
function forgetOthers(): void {
  client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== key[0] });
}

/** The session as the server sees it, asked for again every two minutes while the page is shown. */
export function useSession() {
  return useQuery({
    queryKey: key,
    queryFn: ({ signal }) => ask(signal),
    refetchInterval: AGAIN_MS,
    staleTime: AGAIN_MS / 2,
  });
}

/** The session of a page that is shown to somebody who is signed in. */
export function useSignedIn(): Session {
  const { data } = useSession();
  if (data === undefined) throw new Error("There is no session here.");
  return data;
}

/** Whether this role may ask for all of an operation; the server decides again when it is asked. */
export function useMay(document: TypedDocument<never, never> | TypedDocument<unknown, never>) {
  const { data } = useSession();
  return document.roles === null || document.roles.some((role) => data?.roles?.includes(role));
}

/** Begins a session with a one-time code or a token. @throws Problem */
export async function signIn(proof: { code: string } | { token: string }): Promise<void> {
  const session = await send("POST", "/console/session", proof);
  forgetOthers();
  client.setQueryData(key, session);
}

/** Ends the session at the server, and forgets all that was shown. */
export async function signOut(): Promise<void> {
  await send("DELETE", "/console/session");
  location.replace("/console/");
}
