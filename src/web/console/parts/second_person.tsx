/** Decisions that need two people: whoever proposed does not approve, and the button says why. */
import { type ReactNode, useId } from "react";
import { Button } from "../../shared/ui.tsx";
import type { TypedDocument } from "../api/document.ts";
import { useMay, useSignedIn } from "../api/session.ts";
import { usePartWords } from "./words.ts";

/**
 * The button to approve with, or, of one's own proposal, a button that does nothing and the reason
 * beside it. The database decides again, and knows more: who has made a token, for one.
 */
export function SecondPerson({
  proposedBy,
  label,
  needs,
  children,
}: {
  proposedBy: string;
  /** What the button says. */
  label: string;
  /** What the button would do: whoever may not is told nothing. */
  needs: TypedDocument<never, never> | TypedDocument<unknown, never>;
  /** The button of somebody else. */
  children: ReactNode;
}) {
  const words = usePartWords();
  const { subject } = useSignedIn();
  const id = useId();
  const may = useMay(needs);
  if (!may) return null;
  const isToken = subject?.startsWith("service:") ?? false;
  if (subject !== proposedBy && !isToken) return children;
  return (
    <span className="flex flex-wrap items-center gap-2">
      <Button aria-disabled aria-describedby={id}>
        {label}
      </Button>
      <span id={id} className="text-sm text-soft">
        {words(isToken ? "noPerson" : "ownProposal")}
      </span>
    </span>
  );
}
