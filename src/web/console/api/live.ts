/** Events of the server: one socket for the whole page, while somebody looks at it. */
import { type Client, createClient } from "graphql-ws";
import { useEffect, useEffectEvent } from "react";
import type { TypedDocument } from "./document.ts";
import { client, sessionKey } from "./query_client.ts";
import { useSession } from "./session.ts";

let socket: Client | undefined;

/** What is refused is refused again; a lost line comes back by itself. */
const isRefusal = (event: unknown) => event instanceof CloseEvent && event.code >= 4400;

function connection(): Client {
  socket ??= createClient({
    url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`,
    lazy: true,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: (event) => !isRefusal(event),
    on: {
      // Most likely the session has ended: the page asks, and says so before something is sent.
      closed: (event) => {
        if (isRefusal(event)) void client.invalidateQueries({ queryKey: sessionKey });
      },
    },
  });
  return socket;
}

/**
 * Calls `onEvent` for each event of a subscription. A hidden page listens to nothing, and so does one
 * whose session has ended: when it is shown, or signed in again, it subscribes again, and the first
 * event tells how things stand.
 */
export function useLive<Result, Variables extends Record<string, unknown>>(
  document: TypedDocument<Result, Variables>,
  variables: Variables | null,
  onEvent: (event: Result) => void,
): void {
  const tell = useEffectEvent(onEvent);
  const { data: session } = useSession();
  const until = session?.expires_at ?? null;
  const key = variables === null ? null : JSON.stringify(variables);
  useEffect(() => {
    if (key === null || until === null) return;
    let end: (() => void) | undefined;
    const begin = () => {
      end?.();
      end = undefined;
      if (globalThis.document.hidden) return;
      end = connection().subscribe<Result>(
        { query: document.text, variables: JSON.parse(key), operationName: document.name },
        { next: ({ data }) => data && tell(data), error: () => {}, complete: () => {} },
      );
    };
    begin();
    globalThis.document.addEventListener("visibilitychange", begin);
    return () => {
      globalThis.document.removeEventListener("visibilitychange", begin);
      end?.();
    };
  }, [document, key, until]);
}
