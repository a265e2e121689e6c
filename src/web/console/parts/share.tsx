/** Ways to take what a screen shows elsewhere: CSV of all that matches, GraphQL, SQL, a link. */

import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { Button } from "../../shared/ui.tsx";
import type { TypedDocument } from "../api/document.ts";
import { copyText } from "./copy_text.ts";
import { say } from "./toast.tsx";
import { usePartWords } from "./words.ts";

/** All that matches a filter, streamed by the server (GET /console/export/NAME.csv). */
export function CsvLink({
  name,
  filters = {},
}: {
  name: string;
  filters?: { readonly [name: string]: string | undefined };
}) {
  const words = usePartWords();
  const given = Object.entries(filters).filter((each): each is [string, string] => !!each[1]);
  return (
    <a
      href={`/console/export/${name}.csv?${new URLSearchParams(given)}`}
      download
      title={words("csvTitle")}
      className="inline-block min-h-11 rounded-lg border border-line bg-card px-3 py-2 font-semibold sm:px-4"
    >
      {words("csv")}
    </a>
  );
}

/** Ways to take a list elsewhere, above a list that has no filters. */
export function Take({ children }: { children: ReactNode }) {
  return <div className="not-printed flex flex-wrap gap-2">{children}</div>;
}

/** A menu that copies the screen as an operation of GraphQL, as SQL, or as a link. */
export function CopyAs<Variables>({
  document,
  variables,
  sql,
}: {
  document: TypedDocument<unknown, Variables>;
  variables: Variables;
  /** The same question in SQL; literals must come from sqlText. */
  sql?: string;
}) {
  const words = usePartWords();
  const copy = (text: string) =>
    copyText(text).then(
      () => say("good", words("copied")),
      () => say("bad", words("notCopied")),
    );
  const choices: [title: string, text: () => string][] = [
    [words("copyLink"), () => location.href],
    [
      words("copyGraphql"),
      () => `${document.text}\n\n# ${JSON.stringify(variables, null, 2).replaceAll("\n", "\n# ")}`,
    ],
  ];
  if (sql !== undefined) choices.push([words("copySql"), () => sql]);
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>
        <Button>{words("copy")}</Button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align="end"
          className="z-40 rounded-lg border border-line bg-card p-1 shadow-xl"
        >
          {choices.map(([title, text]) => (
            <DropdownMenu.Item
              key={title}
              onSelect={() => void copy(text())}
              className="cursor-pointer rounded px-3 py-2 data-[highlighted]:bg-ground"
            >
              {title}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

/** A text as a literal of SQL. */
export function sqlText(value: string | null | undefined): string {
  return value === null || value === undefined ? "null" : `'${value.replaceAll("'", "''")}'`;
}
