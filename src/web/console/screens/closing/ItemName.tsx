/** Items of the checklist, by name. */
import type { ChecklistQuery } from "./closing.documents.ts";
import { itemWord, useClosingWords } from "./words.ts";

/** An item of the checklist. */
export type Item = NonNullable<NonNullable<ChecklistQuery["periodChecklist"]>["nodes"][number]>;
/** The name of an item in the reader's language; the database's where it is a new one. */
export function ItemName({ item, title }: { item: string | null; title?: string | null }) {
  const words = useClosingWords();
  const word = itemWord(item);
  return <span>{word === null ? (title ?? item) : words(word)}</span>;
}
