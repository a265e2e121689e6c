/** Where one can go, in the order of the menu; `keys` after g leads there. */
import type { Session } from "../api/session.ts";
import type { AppWord } from "./app_words.ts";

export interface Place {
  readonly path: string;
  readonly name: AppWord;
  /** The letter after `g`. */
  readonly key: string;
}

const sessions: Place = { path: "/sessions", name: "sessions", key: "n" };

const staffPlaces: readonly Place[] = [
  { path: "/", name: "overview", key: "o" },
  { path: "/accounts", name: "accounts", key: "a" },
  { path: "/journal", name: "journal", key: "j" },
  { path: "/members", name: "members", key: "m" },
  { path: "/customers", name: "customers", key: "c" },
  { path: "/prices", name: "prices", key: "r" },
  { path: "/health", name: "health", key: "d" },
  { path: "/heal", name: "heal", key: "h" },
  { path: "/decisions", name: "decisions", key: "p" },
  { path: "/own-tables", name: "ownTables", key: "t" },
  { path: "/hot", name: "hot", key: "q" },
  { path: "/closing", name: "closing", key: "l" },
  { path: "/statements", name: "statements", key: "s" },
  { path: "/branches", name: "branches", key: "b" },
  { path: "/jobs", name: "jobs", key: "w" },
  { path: "/alerts", name: "alerts", key: "e" },
  { path: "/seals", name: "seals", key: "v" },
  sessions,
];

const memberPlaces: readonly Place[] = [{ path: "/", name: "wallet", key: "o" }, sessions];

/** A member sees the own wallet and sessions, and nothing else. */
export const isMemberOnly = (session: Session) => session.role === "member";

/** The places of a session. */
export const placesOf = (session: Session) => (isMemberOnly(session) ? memberPlaces : staffPlaces);
