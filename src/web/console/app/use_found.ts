/** What has a name or code that somebody types into the palette. */
import type { TypedDocument } from "../api/document.ts";
import { rowsOf, useDocument } from "../api/query_client.ts";
import { type Session, useMay } from "../api/session.ts";
import { useSettled } from "../parts/settled.ts";
import { useAppWords } from "./app_words.ts";
import { PaletteAccounts, PaletteCustomers, PaletteMembers } from "./palette.documents.ts";
import { isMemberOnly, placesOf } from "./places.ts";

/** A place to go to. */
export interface Found {
  readonly path: string;
  readonly title: string;
  /** What kind of thing it is; nothing for a screen. */
  readonly kind?: string;
}

interface Named {
  readonly id: string;
  readonly code: string;
  readonly name: string;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Screens at once, things of the books a moment after the last key. */
export function useFound(session: Session, typed: string): Found[] {
  const words = useAppWords();
  // Not deferred: who types fast and presses Enter goes by what was typed.
  const sought = typed.trim();
  const settled = useSettled(sought);
  const isStaff = !isMemberOnly(session);
  const accounts = useNamed(PaletteAccounts, settled, isStaff, (data) => data.findAccounts);
  const members = useNamed(PaletteMembers, settled, isStaff, (data) => data.findMembers);
  const customers = useNamed(PaletteCustomers, settled, isStaff, (data) => data.findCustomers);
  const screens = placesOf(session)
    .map(({ path, name }): Found => ({ path, title: words(name) }))
    .filter(({ title }) => title.toLowerCase().includes(sought.toLowerCase()));
  const things = (rows: readonly Named[], path: string, kind: string): Found[] =>
    rows.map(({ id, code, name }) => ({ path: `${path}/${id}`, title: `${code} · ${name}`, kind }));
  return [
    ...(UUID.test(sought)
      ? [{ path: `/journal/${sought}`, title: sought, kind: words("entry") }]
      : []),
    ...screens,
    ...things(accounts, "/accounts", words("account")),
    ...things(members, "/members", words("member")),
    ...things(customers, "/customers", words("customer")),
  ];
}

function useNamed<Result>(
  document: TypedDocument<Result, { search: string }>,
  search: string,
  isStaff: boolean,
  pick: (result: Result) => { readonly nodes: readonly (Named | null)[] } | null,
): Named[] {
  const may = useMay(document as TypedDocument<unknown, never>);
  const { data } = useDocument(document, { search }, { enabled: isStaff && may && search !== "" });
  return data === undefined || search === "" ? [] : rowsOf(pick(data));
}
