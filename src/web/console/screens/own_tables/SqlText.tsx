/** SQL to be read, and taken elsewhere. */
import { Button } from "../../../shared/ui.tsx";
import { copyText } from "../../parts/copy_text.ts";
import { say } from "../../parts/toast.tsx";
import { usePartWords } from "../../parts/words.ts";

export function SqlText({ text }: { text: string }) {
  const words = usePartWords();
  const copy = () =>
    copyText(text).then(
      () => say("good", words("copied")),
      () => say("bad", words("notCopied")),
    );
  return (
    <>
      <pre className="my-2 rounded bg-ground p-2 text-sm break-words whitespace-pre-wrap">
        {text.trim()}
      </pre>
      <Button onClick={() => void copy()}>{words("copySql")}</Button>
    </>
  );
}
