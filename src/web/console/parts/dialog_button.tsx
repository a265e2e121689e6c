/** A button for a dialog that is a component of its own. */
import { type ReactNode, useState } from "react";
import { Button } from "../../shared/ui.tsx";
import type { TypedDocument } from "../api/document.ts";
import { useMay } from "../api/session.ts";

/**
 * Where the role may not ask for `document` there is no button. The dialog is a new one each time that
 * it is opened, with its fields and its idempotency key: a second top-up is not the first one again.
 */
export function DialogButton({
  label,
  look = "plain",
  document,
  children,
}: {
  label: string;
  look?: "main" | "plain" | "bad";
  document: Pick<TypedDocument<unknown, never>, "roles">;
  children: (close: () => void) => ReactNode;
}) {
  const [isOpen, setIsOpen] = useState(false);
  const may = useMay(document as TypedDocument<unknown, never>);
  if (!may) return null;
  return (
    <>
      <Button look={look} aria-haspopup="dialog" onClick={() => setIsOpen(true)}>
        {label}
      </Button>
      {isOpen && children(() => setIsOpen(false))}
    </>
  );
}

/** A choice of yes or no, with what it means. */
export function Check({
  label,
  hint,
  checked,
  onChange,
}: {
  label: string;
  hint?: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  return (
    <label className="flex items-start gap-3">
      <input
        type="checkbox"
        className="mt-1 size-5 shrink-0 accent-brand"
        checked={checked}
        onChange={({ target }) => onChange(target.checked)}
      />
      <span>
        <span className="font-semibold">{label}</span>
        {hint && <span className="block text-sm text-soft">{hint}</span>}
      </span>
    </label>
  );
}
