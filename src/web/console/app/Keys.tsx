/** Keys that work everywhere: `?` for help, `g` and a letter to go, `/` to search, Ctrl K to find. */
import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { Dialog } from "../../shared/ui.tsx";
import type { Session } from "../api/session.ts";
import { useAppWords } from "./app_words.ts";
import { placesOf } from "./places.ts";

const Palette = lazy(() => import("./Palette.tsx"));
const CHORD_MS = 1_500;

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

export function Keys({ session }: { session: Session }) {
  const [shown, setShown] = useState<"help" | "palette">();
  const navigate = useNavigate();
  const chordAt = useRef(0);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setShown("palette");
        return;
      }
      const isOver = document.querySelector('[role="dialog"]') !== null;
      if (isTyping(event.target) || isOver || event.ctrlKey || event.metaKey || event.altKey)
        return;
      const isChord = performance.now() - chordAt.current < CHORD_MS;
      chordAt.current = event.key === "g" ? performance.now() : 0;
      const place = placesOf(session).find(({ key }) => isChord && key === event.key);
      if (place !== undefined) void navigate({ to: place.path });
      else if (event.key === "?") setShown("help");
      else if (event.key === "/") {
        event.preventDefault();
        document.querySelector<HTMLElement>('main input[type="search"]')?.focus();
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [navigate, session]);
  const close = () => setShown(undefined);
  return (
    <>
      {shown === "help" && <Help session={session} close={close} />}
      {shown === "palette" && (
        <Suspense>
          <Palette session={session} close={close} />
        </Suspense>
      )}
    </>
  );
}

function Help({ session, close }: { session: Session; close: () => void }) {
  const words = useAppWords();
  const keys: [key: string, does: string][] = [
    ["?", words("helpHelp")],
    ["/", words("helpSearch")],
    ["Ctrl K", words("helpPalette")],
    ...placesOf(session).map(({ key, name }): [string, string] => [`g ${key}`, words(name)]),
  ];
  return (
    <Dialog title={words("help")} close={close}>
      <table className="w-full text-left">
        <thead>
          <tr>
            <th scope="col">{words("helpKey")}</th>
            <th scope="col">{words("helpDoes")}</th>
          </tr>
        </thead>
        <tbody>
          {keys.map(([key, does]) => (
            <tr key={key}>
              <td>
                <kbd className="rounded border border-line px-1">{key}</kbd>
              </td>
              <td>{does}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Dialog>
  );
}
