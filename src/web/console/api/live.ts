/** Events of the server: one socket for the whole page, while somebody looks at it. */
import { type Client, createClient } from "graphql-ws";
import { useEffect, useEffectEvent } from "react";
import type { TypedDocument } from "./document.ts";

let socket: Client | undefined;

function connection(): Client {
  socket ??= createClient({
    url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`,
    lazy: true,
    // What is refused is refused again; a lost line comes back by itself.
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: (event) => !(event instanceof CloseEvent && event.code >= 4400),
  });
  return socket;
}

/**
 * Calls `onEvent` for each event of a subscription. A hidden page listens to nothing: when it is
 * shown, it subscribes again, and the first event tells how things stand.
 */
export function useLive<Result, Variables extends Record<string, unknown>>(
  document: TypedDocument<Result, Variables>,
  variables: Variables | null,
  onEvent: (event: Result) => void,
): void {
  const tell = useEffectEvent(onEvent);
  const key = variables === null ? null : JSON.stringify(variables);
  useEffect(() => {
    if (key === null) return;
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
  }, [document, key]);
}
