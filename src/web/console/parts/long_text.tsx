/** A long sentence in a list: its beginning, and the rest when somebody wants it. */
import { usePartWords } from "./words.ts";

const SHOWN = 90;

export function LongText({ text, lang }: { text: string; lang?: string }) {
  const words = usePartWords();
  if (text.length <= SHOWN + 30) {
    return (
      <span lang={lang} className="break-words">
        {text}
      </span>
    );
  }
  const space = text.lastIndexOf(" ", SHOWN);
  return (
    <details>
      <summary lang={lang} className="cursor-pointer break-words">
        {text.slice(0, space > 0 ? space : SHOWN)}…{" "}
        <span className="text-sm text-brand underline">{words("wholeText")}</span>
      </summary>
      <p lang={lang} className="mt-1 break-words">
        {text}
      </p>
    </details>
  );
}
