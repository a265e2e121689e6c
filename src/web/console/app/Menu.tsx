/** The menu: at the side where there is room, behind a button on a phone. */
import { Link, useRouterState } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useLanguage } from "../../shared/language.ts";
import { Button } from "../../shared/ui.tsx";
import { problemOf } from "../api/problem.ts";
import { type Session, signOut } from "../api/session.ts";
import { chooseTheme, themes, useTheme } from "../parts/theme.ts";
import { say } from "../parts/toast.tsx";
import { useZone } from "../parts/zone.ts";
import { useAppWords } from "./app_words.ts";
import { placesOf } from "./places.ts";
import { speak } from "./words.ts";

export function Menu({ session }: { session: Session }) {
  const words = useAppWords();
  const [isOpen, setIsOpen] = useState(false);
  const path = useRouterState({ select: ({ location }) => location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a move closes the menu
  useEffect(() => setIsOpen(false), [path]);
  return (
    <header className="not-printed flex flex-col gap-3 border-line bg-card p-3 lg:w-60 lg:border-r">
      <div className="flex items-center justify-between">
        <p className="text-xl font-bold">Saldo</p>
        <Button
          className="lg:hidden"
          aria-expanded={isOpen}
          aria-controls="menu"
          onClick={() => setIsOpen(!isOpen)}
        >
          {words("menu")}
        </Button>
      </div>
      <div id="menu" className={`${isOpen ? "flex" : "hidden"} flex-col gap-4 lg:flex`}>
        <nav aria-label={words("navigation")}>
          <ul className="flex flex-col">
            {placesOf(session).map((place) => (
              <li key={place.path}>
                <Link
                  to={place.path}
                  activeOptions={{ exact: place.path === "/", includeSearch: false }}
                  className="block min-h-9 rounded-lg px-3 py-1.5 font-medium aria-[current=page]:bg-brand aria-[current=page]:text-on-brand"
                >
                  {words(place.name)}
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <Account session={session} />
      </div>
    </header>
  );
}

/** Who is signed in, and how the page is to look. */
function Account({ session }: { session: Session }) {
  const words = useAppWords();
  const language = useLanguage();
  const theme = useTheme();
  const { zone, isUtc, business, toggle } = useZone();
  const other = language === "id" ? "en" : "id";
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? "system";
  const quiet = "min-h-9 rounded px-3 py-1 text-left text-sm text-soft hover:text-ink";
  return (
    <div className="flex flex-col border-t border-line pt-2">
      <p className="px-3 py-1 text-sm break-words">
        {words("who", { subject: session.subject ?? "–", role: session.role ?? "–" })}
      </p>
      <button type="button" className={quiet} onClick={() => speak(other)} lang={other}>
        {words("language")}
      </button>
      <button type="button" className={quiet} onClick={() => chooseTheme(next)}>
        {words("theme", { theme: words(theme) })}
      </button>
      {business !== "UTC" && (
        <button type="button" className={quiet} onClick={toggle} aria-pressed={isUtc}>
          {isUtc ? words("zoneUtc") : words("zoneBusiness", { zone })}
        </button>
      )}
      <button
        type="button"
        className={quiet}
        onClick={() => signOut().catch((error) => say("bad", problemOf(error).message))}
      >
        {words("signOut")}
      </button>
    </div>
  );
}
