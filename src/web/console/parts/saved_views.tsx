/** Filters that somebody comes back to, under names of their own; kept in this browser. */
import { useRouterState } from "@tanstack/react-router";
import { useState } from "react";
import { Button, Dialog, Field } from "../../shared/ui.tsx";
import { remember, useRemembered } from "./remembered.ts";
import { usePartWords } from "./words.ts";

type Views = { [name: string]: string };

function viewsOf(text: string | null): Views {
  try {
    const views: unknown = JSON.parse(text ?? "{}");
    return typeof views === "object" && views !== null ? (views as Views) : {};
  } catch {
    return {};
  }
}

/** The saved views of the screen, and a way to save the present one. */
export function SavedViews() {
  const words = usePartWords();
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <Button aria-haspopup="dialog" onClick={() => setIsOpen(true)}>
        {words("views")}
      </Button>
      {isOpen && (
        <Dialog title={words("views")} close={() => setIsOpen(false)}>
          <ViewList />
        </Dialog>
      )}
    </>
  );
}

function ViewList() {
  const words = usePartWords();
  const location = useRouterState({ select: (state) => state.location });
  const place = `views:${location.pathname}`;
  const views = viewsOf(useRemembered(place));
  const [name, setName] = useState("");
  const keep = (next: Views) => remember(place, JSON.stringify(next));
  const without = (removed: string) =>
    Object.fromEntries(Object.entries(views).filter(([each]) => each !== removed));
  return (
    <div className="flex flex-col gap-4">
      {Object.keys(views).length === 0 && <p className="text-soft">{words("noViews")}</p>}
      <ul className="flex flex-col gap-2">
        {Object.entries(views).map(([each, search]) => (
          <li key={each} className="flex items-center justify-between gap-2">
            <a className="text-brand underline" href={`/console${location.pathname}${search}`}>
              {each}
            </a>
            <Button
              aria-label={words("removeView", { name: each })}
              onClick={() => keep(without(each))}
            >
              ×
            </Button>
          </li>
        ))}
      </ul>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim() === "") return;
          keep({ ...views, [name.trim()]: location.searchStr });
          setName("");
        }}
      >
        <Field
          label={words("viewName")}
          value={name}
          maxLength={60}
          onChange={({ target }) => setName(target.value)}
        />
        <Button type="submit" look="main">
          {words("saveView")}
        </Button>
      </form>
    </div>
  );
}
