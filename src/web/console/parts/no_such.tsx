/** An address that names nothing: what there is not, and where the others are. */
import { Go, Page } from "./page.tsx";
import { usePartWords } from "./words.ts";

/** Whether a text can be the number of a thing; the server is not asked about others. */
export const isNumberName = (text: string) => /^\d{1,18}$/.test(text);

/** Whether a text can be the id of a thing. */
export const isUuid = (text: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

/** The page of such an address. */
export function NoSuch({
  title,
  children,
  to,
  search,
}: {
  title: string;
  /** The sentence that says so. */
  children: string;
  /** The list of what there is. */
  to: string;
  search?: { readonly [name: string]: string };
}) {
  const words = usePartWords();
  return (
    <Page title={title}>
      <p role="status">{children}</p>
      <p>
        <Go to={to} search={search ?? {}}>
          {words("toList")}
        </Go>
      </p>
    </Page>
  );
}
