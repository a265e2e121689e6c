/** The frame of the page: who is signed in, where one can go, and the screen. */
import { Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { Button, Notice } from "../../shared/ui.tsx";
import { useSession } from "../api/session.ts";
import { Skeleton } from "../parts/loaded.tsx";
import { useTheme } from "../parts/theme.ts";
import { Toasts } from "../parts/toast.tsx";
import { useAppWords } from "./app_words.ts";
import { Keys } from "./Keys.tsx";
import { Menu } from "./Menu.tsx";
import { SignIn, SignInAgain } from "./SignIn.tsx";

export function Frame() {
  useTheme();
  const words = useAppWords();
  const { data: session, isError } = useSession();
  const wasSignedIn = useRef(false);
  // Whoever opens a link to sign in means it, whoever is signed in already.
  const [isSigningIn] = useState(() => location.pathname.endsWith("/sign-in"));
  if (session?.subject) wasSignedIn.current = true;
  if (session === undefined) {
    return (
      <div className="mx-auto max-w-3xl p-6">
        {isError ? <Notice weight="bad">{words("silent")}</Notice> : <Skeleton />}
      </div>
    );
  }
  if (isSigningIn || (session.subject === null && !wasSignedIn.current)) {
    return <SignIn session={session} />;
  }
  return (
    <div className="mx-auto flex min-h-dvh max-w-[110rem] flex-col lg:flex-row">
      <a href="#content" className="sr-only focus:not-sr-only">
        {words("skip")}
      </a>
      <Menu session={session} />
      <div className="flex min-w-0 flex-1 flex-col gap-3 p-3 sm:p-5">
        {isError && <Notice weight="warn">{words("silent")}</Notice>}
        <Upgraded version={session.version} />
        <main id="content" tabIndex={-1} className="flex-1 outline-none">
          <Outlet />
        </main>
      </div>
      {session.subject === null && <SignInAgain session={session} />}
      <Keys session={session} />
      <FocusOnMove />
      <Toasts />
    </div>
  );
}

/** A tab that is older than the server's page asks to be loaded again. */
function Upgraded({ version }: { version: string }) {
  const words = useAppWords();
  const [first] = useState(version);
  if (version === first) return null;
  return (
    <Notice weight="warn">
      <p>{words("upgraded")}</p>
      <Button className="mt-2" onClick={() => location.reload()}>
        {words("reload")}
      </Button>
    </Notice>
  );
}

/** Another screen begins at its content, for those who hear the page as well. */
function FocusOnMove() {
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const first = useRef(path);
  useEffect(() => {
    if (path !== first.current) document.getElementById("content")?.focus({ preventScroll: true });
    first.current = path;
  }, [path]);
  return null;
}
