/** Where a session begins: by a link, by an identity provider, or with a token of the API. */
import { type FormEvent, useEffect, useState } from "react";
import { useLanguage } from "../../shared/language.ts";
import { Button, Card, Dialog, Field, Notice } from "../../shared/ui.tsx";
import { problemOf } from "../api/problem.ts";
import { client, sessionKey } from "../api/query_client.ts";
import { type Session, signIn } from "../api/session.ts";
import { useAppWords } from "./app_words.ts";
import { speak } from "./words.ts";

/** The page of somebody who is not signed in. */
export function SignIn({ session }: { session: Session }) {
  const words = useAppWords();
  const language = useLanguage();
  const other = language === "id" ? "en" : "id";
  useEffect(() => {
    document.title = `${words("signIn")} · Saldo`;
  }, [words]);
  return (
    <main className="mx-auto flex min-h-dvh max-w-xl flex-col justify-center gap-4 p-4">
      <h1 className="text-2xl font-bold">Saldo</h1>
      <Card title={words("signIn")}>
        <Ways session={session} />
      </Card>
      {session.subject !== null && (
        <a href="/console/" className="text-center text-brand underline">
          {words("toOverview")}
        </a>
      )}
      <button
        type="button"
        className="text-soft underline"
        onClick={() => speak(other)}
        lang={other}
      >
        {words("language")}
      </button>
    </main>
  );
}

/** The same over a page whose session has ended: what is typed there stays. */
export function SignInAgain({ session }: { session: Session }) {
  const words = useAppWords();
  useEffect(() => {
    const ask = () => void client.invalidateQueries({ queryKey: sessionKey });
    addEventListener("focus", ask);
    return () => removeEventListener("focus", ask);
  }, []);
  return (
    <Dialog title={words("signIn")} close={() => {}}>
      <div className="flex flex-col gap-3">
        <Notice weight="warn">{words("again")}</Notice>
        <Ways session={session} isOver />
      </div>
    </Dialog>
  );
}

function Ways({ session, isOver = false }: { session: Session; isOver?: boolean }) {
  const words = useAppWords();
  const [code, setCode] = useState(takeCode);
  const [token, setToken] = useState("");
  const [error, setError] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);
  const begin = async (proof: { code: string } | { token: string }) => {
    setIsBusy(true);
    setError(undefined);
    try {
      await signIn(proof);
      if (location.pathname.endsWith("/sign-in")) location.replace("/console/");
    } catch (error) {
      const problem = problemOf(error);
      if (problem.condition === "link_invalid") setError(words("linkUsed"));
      else setError(problem.isSilence ? words("unanswered") : problem.message);
      setCode("");
    }
    setIsBusy(false);
  };
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim() === "") setError(words("tokenMissing"));
    else if (!isBusy) void begin({ token: token.trim() });
  };
  if (code !== "") {
    // Asked for first: programs that look into links for a preview would use it up.
    return isBusy ? (
      <p role="status">{words("signingIn")}</p>
    ) : (
      <div className="flex flex-col gap-3">
        <p>{words("linkReady")}</p>
        <Button look="main" autoFocus onClick={() => void begin({ code })}>
          {words("signIn")}
        </Button>
      </div>
    );
  }
  const { oidc } = session.sign_in;
  return (
    <div className="flex flex-col gap-4">
      {oidc !== null && (
        <a
          href={`/console/oidc/begin?return_to=${encodeURIComponent(location.pathname + location.search)}`}
          // Whoever leaves this page loses what is typed on it.
          target={isOver ? "_blank" : undefined}
          className="min-h-11 rounded-lg bg-brand px-4 py-2 text-center font-semibold text-on-brand"
        >
          {words("signInWith", { name: oidc.name })}
        </a>
      )}
      <form onSubmit={send} noValidate>
        <Field
          label={words("token")}
          type="password"
          hint={words("tokenHint")}
          error={error}
          value={token}
          onChange={({ target }) => setToken(target.value)}
        />
        <Button type="submit" look="main" aria-disabled={isBusy}>
          {words("signIn")}
        </Button>
      </form>
    </div>
  );
}

/** The code of a link, once: it leaves the address, so that neither history nor a copy has it. */
function takeCode(): string {
  if (!location.pathname.endsWith("/sign-in")) return "";
  const code = location.hash.slice(1);
  if (code !== "") history.replaceState(null, "", location.pathname);
  return code;
}
