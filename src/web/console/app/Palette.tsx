/** Finds a screen by its name, and an account, member, customer or entry by code, name or id. */
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useId, useState } from "react";
import { Dialog } from "../../shared/ui.tsx";
import type { Session } from "../api/session.ts";
import { useAppWords } from "./app_words.ts";
import { type Found, useFound } from "./use_found.ts";

export default function Palette({ session, close }: { session: Session; close: () => void }) {
  const words = useAppWords();
  const navigate = useNavigate();
  const id = useId();
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const found = useFound(session, typed);
  const chosen = Math.min(at, found.length - 1);
  const go = (place: Found | undefined) => {
    if (place === undefined) return;
    close();
    void navigate({ to: place.path });
  };
  const press = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      setAt((chosen + step + found.length) % Math.max(found.length, 1));
    } else if (event.key === "Enter") go(found[chosen]);
  };
  return (
    <Dialog title={words("palette")} close={close}>
      <input
        autoFocus
        role="combobox"
        aria-expanded
        aria-controls={id}
        aria-label={words("paletteHint")}
        aria-activedescendant={found.length > 0 ? `${id}-${chosen}` : undefined}
        placeholder={words("paletteHint")}
        maxLength={200}
        value={typed}
        onChange={({ target }) => {
          setTyped(target.value);
          setAt(0);
        }}
        onKeyDown={press}
        className="mb-3 w-full min-h-11 rounded-lg border border-line bg-card px-3 text-ink"
      />
      <div id={id} role="listbox" aria-label={words("palette")}>
        {found.map((each, place) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the field keeps the focus, as a combobox does
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keys
          <div
            key={each.path}
            id={`${id}-${place}`}
            role="option"
            aria-selected={place === chosen}
            onClick={() => go(each)}
            className="cursor-pointer rounded-lg px-3 py-2 aria-selected:bg-ground"
          >
            {each.title}
            {each.kind && <span className="ml-2 text-sm text-soft">{each.kind}</span>}
          </div>
        ))}
        {found.length === 0 && <p className="px-3 text-soft">{words("paletteNone")}</p>}
      </div>
    </Dialog>
  );
}
