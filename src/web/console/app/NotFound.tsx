import { Go, Page } from "../parts/page.tsx";
import { useAppWords } from "./app_words.ts";

/** An address that no screen has. */
export function NotFound() {
  const words = useAppWords();
  return (
    <Page title={words("notFound")}>
      <Go to="/">{words("toOverview")}</Go>
    </Page>
  );
}
