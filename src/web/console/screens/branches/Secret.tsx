/** What is shown once and kept nowhere: a one-time code, or a key. */

import type { ReactNode } from "react";
import { Button, Dialog } from "../../../shared/ui.tsx";
import { copyText } from "../../parts/copy_text.ts";
import { say } from "../../parts/toast.tsx";
import { useBranchWords } from "./words.ts";

export function Secret({
  title,
  secret,
  children,
  close,
}: {
  title: string;
  secret: string;
  /** What to do with it. */
  children: ReactNode;
  close: () => void;
}) {
  const words = useBranchWords();
  return (
    <Dialog title={title} close={close}>
      <div className="flex flex-col gap-3">
        <p className="rounded-lg border border-line bg-ground p-3 font-mono text-lg break-all">
          <output aria-label={title}>{secret}</output>
        </p>
        {children}
        <p className="text-soft">{words("shownOnce")}</p>
        <div>
          <Button
            look="main"
            onClick={() =>
              void copyText(secret).then(
                () => say("good", words("secretCopied")),
                // It stands there to be written down.
                () => {},
              )
            }
          >
            {words("copySecret")}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
