/** The frame of the page: where one can go, how the till is, and the screen. */
import type { MouseEvent } from "react";
import { chooseLanguage, useLanguage } from "../shared/language.ts";
import { goTo, usePath } from "../shared/route.ts";
import { Button, Notice } from "../shared/ui.tsx";
import { useStatus } from "./api.ts";
import { changeCashier, useCashier } from "./cashier.ts";
import { Cash } from "./screens/Cash.tsx";
import { Shift } from "./screens/Shift.tsx";
import { Status } from "./screens/Status.tsx";
import { Transactions } from "./screens/Transactions.tsx";
import { useWords } from "./words.ts";

export function App() {
  const words = useWords();
  const path = usePath();
  const language = useLanguage();
  const status = useStatus();
  const places: [address: string, name: string][] = [
    ["/", words.cash],
    ["/transactions", words.transactions],
    ["/shift", words.shift],
    ["/status", words.status],
  ];
  return (
    <div className="mx-auto flex min-h-dvh max-w-6xl flex-col gap-3 px-3 pb-4">
      <a href="#content" className="sr-only focus:not-sr-only">
        {words.skip}
      </a>
      <header className="flex flex-wrap items-center justify-between gap-2 pt-3">
        <p className="text-xl font-bold">{status.data?.branch ?? words.cash}</p>
        <div className="flex flex-wrap items-center gap-2">
          <Cashier />
          <Button onClick={() => chooseLanguage(language === "id" ? "en" : "id")}>
            <span lang={language === "id" ? "en" : "id"}>{words.language}</span>
          </Button>
        </div>
        <nav aria-label={words.navigation} className="w-full">
          <ul className="grid grid-cols-2 gap-1 sm:grid-cols-4">
            {places.map(([address, name]) => (
              <li key={address}>
                <Place address={address} name={name} isHere={path === address} />
              </li>
            ))}
          </ul>
        </nav>
      </header>
      <StatusBar />
      <main id="content" tabIndex={-1} className="flex-1 outline-none">
        {path === "/transactions" ? (
          <Transactions />
        ) : path === "/shift" ? (
          <Shift />
        ) : path === "/status" ? (
          <Status />
        ) : (
          <Cash />
        )}
      </main>
    </div>
  );
}

/** Who stands at the till; it may stay empty. */
function Cashier() {
  const words = useWords();
  const name = useCashier();
  return (
    <label className="flex items-center gap-2 text-sm">
      <span>{words.cashier}</span>
      <input
        value={name}
        maxLength={100}
        autoComplete="off"
        onChange={({ target }) => changeCashier(target.value)}
        className="min-h-11 w-32 rounded-lg border border-line bg-card px-3 text-ink"
      />
    </label>
  );
}

function Place({ address, name, isHere }: { address: string; name: string; isHere: boolean }) {
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    goTo(address);
  };
  return (
    <a
      href={address}
      onClick={follow}
      aria-current={isHere ? "page" : undefined}
      className={`block min-h-11 rounded-lg border px-2 py-2.5 text-center font-semibold ${isHere ? "border-brand bg-brand text-on-brand" : "border-line bg-card text-ink"}`}
    >
      {name}
    </a>
  );
}

/** The bar: one line on the centre, and below it what a person should do something about. */
function StatusBar() {
  const words = useWords();
  const { data, isError } = useStatus();
  if (isError) return <Notice weight="bad">{words.noProgram}</Notice>;
  if (data === undefined) return <p className="text-soft">{words.loading}</p>;
  const { connection, unsynced_count, attention_count, warnings } = data;
  return (
    <div className="flex flex-col gap-2">
      <p className="flex flex-wrap gap-x-4 text-sm text-soft" role="status">
        <span>{words[connection]}</span>
        <span data-testid="waiting" className="figures">
          {words.waiting}: {unsynced_count}
        </span>
        {attention_count > 0 && (
          <a
            href="/transactions?standing=attention"
            onClick={(event) => {
              event.preventDefault();
              goTo("/transactions?standing=attention");
            }}
            className="font-bold text-bad underline"
          >
            {words.attention}: {attention_count}
          </a>
        )}
      </p>
      {warnings.map((warning) => (
        <Notice key={warning} weight="warn">
          {words.warnings[warning] ?? warning}
        </Notice>
      ))}
    </div>
  );
}
